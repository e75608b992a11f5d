//! POSTs that are sent again, to one of two processes that share a Redis; and what becomes of them without it.

use std::time::Duration;

use stoa_cache::{Cache, CacheConfig};
use stoa_engines::Redis;
use stoa_kernel::{Clock, Period};

use crate::{
    Answer,
    idempotency::{Fixture, ground_on},
};

async fn process(server: &Redis) -> Fixture {
    let config = CacheConfig {
        max_mib: 10,
        url: server.url(),
        prefix: "test".to_owned(),
        limit_timeout: Period(Duration::from_secs(1)),
    };
    ground_on(Cache::open(&config, Clock::system()).await.unwrap())
}

fn replayed(answer: &Answer) -> (u16, bool) {
    (
        answer.status.as_u16(),
        answer.header("idempotency-replayed") == "true",
    )
}

#[tokio::test]
async fn a_key_holds_at_every_process_and_at_its_own_while_the_cache_is_away() {
    let mut server = tokio::task::spawn_blocking(Redis::start).await.unwrap();
    let (one, other) = (process(&server).await, process(&server).await);
    assert_eq!(replayed(&one.send("before", "a").await), (201, false));
    assert_eq!(replayed(&other.send("before", "a").await), (201, true));
    assert_eq!((one.calls(), other.calls()), (1, 0));
    assert_eq!(other.send("before", "b").await.status.as_u16(), 422);

    server.kill();
    assert_eq!(
        replayed(&one.send("before", "a").await),
        (201, true),
        "it was done here"
    );
    assert_eq!(
        replayed(&one.send("during", "a").await),
        (201, false),
        "nothing else fails"
    );
    assert_eq!(replayed(&one.send("during", "a").await), (201, true));
    assert_eq!(one.send("during", "b").await.status.as_u16(), 422);
    assert_eq!(one.calls(), 2);
}
