//! Settings that are wrong, and servers that are not there.

use stoa_cache::Cache;
use stoa_engines::Redis;
use stoa_kernel::Clock;

use crate::fixture::{config, open};

async fn refused(url: &str) -> String {
    match Cache::open(&config(url, "test"), Clock::system()).await {
        Ok(_) => panic!("{url} is taken"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_is_no_url_is_told_with_what_one_looks_like() {
    for url in [
        "localhost:6379",
        "http://localhost:6379",
        "redis://",
        "redis://:secret@",
        "redis+cluster://",
        "redis+cluster://a:1,,b:2",
        "redis://localhost:99999",
        "redis://user:secret@localhost/database",
        "redis://localhost?secret=1",
        "redis://user:sec ret@local host:1",
    ] {
        let words = refused(url).await;
        assert!(words.starts_with("cache.url: "), "{words}");
        assert!(words.contains("redis://user:password@host:6379/0"), "{words}");
        assert!(!words.contains("secret"), "{words}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let port = stoa_engines::free_port();
    for scheme in ["redis", "redis+cluster", "rediss"] {
        let words = refused(&format!("{scheme}://stoa:hush-hush@127.0.0.1:{port}")).await;
        assert!(words.starts_with("cache.url: "), "{words}");
        assert!(
            words.contains(&format!("127.0.0.1:{port} does not answer")),
            "{words}"
        );
        assert!(!words.contains("hush"), "{words}");
    }
}

#[tokio::test]
async fn a_password_that_is_wrong_is_told_and_not_shown() {
    let server = tokio::task::spawn_blocking(Redis::start).await.unwrap();
    let words = refused(&format!("redis://nobody:hush-hush@127.0.0.1:{}", server.port())).await;
    assert!(
        words.contains("does not answer") && !words.contains("hush"),
        "{words}"
    );
    let debug = format!("{:?}", config("redis://:hush-hush@127.0.0.1", "test"));
    assert!(!debug.contains("hush"), "{debug}");
    // A single server is no cluster.
    let words = refused(&format!("redis+cluster://127.0.0.1:{}", server.port())).await;
    assert!(words.starts_with("cache.url: "), "{words}");
}

#[tokio::test]
async fn a_prefix_that_means_something_to_redis_is_refused() {
    for prefix in ["", "a{b}", "*"] {
        let error = Cache::open(&config("redis://127.0.0.1:1", prefix), Clock::system()).await;
        let words = error.err().expect("it is refused").to_string();
        assert!(words.contains("cache.prefix"), "{words}");
    }
}

#[tokio::test]
async fn an_empty_url_is_this_process() {
    let cache = open("", "test").await;
    assert!(!cache.is_shared());
    assert_eq!(cache.ping().await.unwrap().engine, "local");
}
