//! A Redis that is killed, held still, and comes back.

use std::time::{Duration, Instant};

use bytes::Bytes;
use stoa_cache::{Cache, CacheError, Notice};
use stoa_engines::{Redis, RedisCluster};
use stoa_kernel::{Clock, Period};

use crate::{
    MINUTE,
    fixture::{config, key, open, rate},
};

/// Far longer than it takes to notice that a server is away or back, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn started_again(mut server: Redis) -> Redis {
    blocking(move || {
        server.start_again();
        server
    })
    .await
}

fn value() -> Bytes {
    Bytes::from_static(b"1")
}

/// Waits until the cache answers; meanwhile nothing may hang.
async fn until_back(cache: &Cache) {
    let deadline = Instant::now() + PATIENCE;
    while cache.ping().await.is_err() {
        assert!(Instant::now() < deadline, "the cache does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What holds while the server is away.
async fn expect_away(cache: &Cache) {
    assert!(matches!(cache.get("a").await, Err(CacheError::Away(_))));
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(matches!(
            cache.set("a", value(), MINUTE).await,
            Err(CacheError::Away(_))
        ));
        assert!(cache.add("a", value(), MINUTE).await.is_err());
        assert!(cache.remove("a").await.is_err());
        assert!(cache.lock("a", MINUTE).await.is_err());
        assert!(cache.ping().await.is_err());
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "once it is known, nothing waits: {:?}",
        begun.elapsed()
    );
    assert!(cache.here().set("a", value(), MINUTE).await.is_ok());
}

async fn allowed(cache: &Cache) -> bool {
    cache
        .limiter("test", rate("3/d"))
        .check(key(1))
        .await
        .unwrap()
        .allowed
}

#[tokio::test]
async fn without_a_server_limits_hold_here_and_values_fail_until_it_is_back() {
    let mut server = blocking(Redis::start).await;
    let cache = open(&server.url(), "test").await;
    assert!(allowed(&cache).await);
    assert!(allowed(&cache).await);
    cache.set("kept", value(), MINUTE).await.unwrap();

    server.kill();
    for expected in [true, true, true, false, false] {
        assert_eq!(allowed(&cache).await, expected, "counted here, from nothing");
    }
    expect_away(&cache).await;

    let server = started_again(server).await;
    until_back(&cache).await;
    assert_eq!(cache.get("kept").await.unwrap(), Some(value()));
    assert!(
        allowed(&cache).await,
        "the server's count goes on: this is the third"
    );
    assert!(!allowed(&cache).await);
    drop(server);
}

#[tokio::test]
async fn a_server_that_is_held_still_keeps_nobody_waiting() {
    let server = blocking(Redis::start).await;
    let quick = stoa_cache::CacheConfig {
        limit_timeout: Period(Duration::from_millis(100)),
        ..config(&server.url(), "test")
    };
    let cache = Cache::open(&quick, Clock::system()).await.unwrap();
    server.pause();
    let begun = Instant::now();
    for _ in 0..1000 {
        let _ = allowed(&cache).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    expect_away(&cache).await;
    server.resume();
    until_back(&cache).await;
    cache.set("a", value(), MINUTE).await.unwrap();
}

#[tokio::test]
async fn a_cluster_comes_back_as_well() {
    let mut cluster = blocking(RedisCluster::start).await;
    let cache = open(&cluster.url(), "test").await;
    cache.set("a", value(), MINUTE).await.unwrap();
    cluster.kill();
    assert!(
        cache
            .limiter("test", rate("3/d"))
            .check(key(1))
            .await
            .unwrap()
            .allowed
    );
    expect_away(&cache).await;
    let cluster = blocking(move || {
        cluster.start_again();
        cluster
    })
    .await;
    until_back(&cache).await;
    assert_eq!(cache.get("a").await.unwrap(), Some(value()));
    drop(cluster);
}

#[tokio::test]
async fn hints_are_heard_again_and_the_gap_is_told() {
    let mut server = blocking(Redis::start).await;
    let (one, other) = (
        open(&server.url(), "test").await,
        open(&server.url(), "test").await,
    );
    let mut hearing = other.hear("topic");
    let mut next = async || {
        tokio::time::timeout(PATIENCE, hearing.next())
            .await
            .expect("something is heard")
    };
    assert_eq!(next().await, Some(Notice::Gap), "from when the connection stands");
    one.tell("topic", value()).await;
    assert_eq!(next().await, Some(Notice::Message(value())));
    server.kill();
    let server = started_again(server).await;
    assert_eq!(next().await, Some(Notice::Gap), "some may have been missed");
    until_back(&one).await;
    one.tell("topic", value()).await;
    assert_eq!(next().await, Some(Notice::Message(value())));
    drop(server);
}

#[tokio::test]
async fn a_server_that_restarted_knows_the_scripts_again() {
    let mut server = blocking(Redis::start).await;
    let cache = open(&server.url(), "test").await;
    assert!(allowed(&cache).await);
    server.kill();
    let _server = started_again(server).await;
    let _ = cache.get("a").await;
    until_back(&cache).await;
    assert!(allowed(&cache).await);
    assert!(allowed(&cache).await);
    assert!(
        !allowed(&cache).await,
        "counted by the server, which keeps what it was told"
    );
}
