//! What several processes that share a Redis have in common, and what not.

use bytes::Bytes;
use stoa_engines::Redis;

use crate::{
    MINUTE,
    fixture::{Fixture, key, open, prefix, rate},
};

#[tokio::test]
async fn a_limit_holds_across_two_gateways() {
    let fixture = Fixture::redis().await;
    let gateways = [fixture.cache().await, fixture.cache().await];
    let mut allowed = 0;
    for n in 0..40 {
        let limiter = gateways[n % 2].limiter("gateway.per_user", rate("10/h"));
        allowed += u32::from(limiter.check(key(1)).await.unwrap().allowed);
    }
    assert_eq!(allowed, 10);
}

#[tokio::test]
async fn prefixes_keep_installations_apart() {
    let fixture = Fixture::redis().await;
    let (one, other) = (fixture.cache().await, open(fixture.url(), &prefix()).await);
    one.set("a", Bytes::from_static(b"1"), MINUTE).await.unwrap();
    assert_eq!(other.get("a").await.unwrap(), None);
    let held = one.lock("a", MINUTE).await.unwrap();
    assert!(other.lock("a", MINUTE).await.unwrap().is_some());
    assert!(one.limiter("a", rate("1/h")).check(key(1)).await.unwrap().allowed);
    assert!(
        other
            .limiter("a", rate("1/h"))
            .check(key(1))
            .await
            .unwrap()
            .allowed
    );
    drop(held);
}

/// Also without a memory of its own: this one keeps nothing of the locks when it is killed and its folder is lost.
#[tokio::test]
async fn tokens_grow_across_restarts_of_the_server() {
    let mut server = tokio::task::spawn_blocking(Redis::start).await.unwrap();
    let cache = open(&server.url(), "tokens").await;
    let before = cache.lock("a", MINUTE).await.unwrap().expect("free");
    let (token, url) = (before.token, server.url());
    before.release().await;
    let server = tokio::task::spawn_blocking(move || {
        server.kill();
        server.start_again();
        server
    });
    let server = server.await.unwrap();
    let again = open(&url, "tokens").await;
    let after = again.lock("a", MINUTE).await.unwrap().expect("it was given back");
    assert!(after.token > token);
    let unknown = open(&url, "another").await;
    let fresh = unknown.lock("a", MINUTE).await.unwrap().expect("free");
    assert!(fresh.token > token, "also where nothing is remembered");
    drop(server);
}
