use crate::{MINUTE, moved};

#[tokio::test]
async fn a_lock_has_one_holder_until_it_is_dropped() {
    let (cache, _) = moved();
    let first = cache.lock("a", MINUTE).await.unwrap().expect("nobody holds it");
    assert!(cache.lock("a", MINUTE).await.unwrap().is_none());
    let other = cache
        .lock("b", MINUTE)
        .await
        .unwrap()
        .expect("another key is free");
    assert!(other.token > first.token);
    drop(first);
    assert!(cache.lock("a", MINUTE).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lock_ends_with_its_lifetime_and_its_successor_has_a_larger_token() {
    let (cache, clock) = moved();
    let late = cache.lock("a", MINUTE).await.unwrap().expect("free");
    assert!(late.is_held());
    clock.advance(MINUTE * 2);
    assert!(!late.is_held());
    let next = cache
        .lock("a", MINUTE)
        .await
        .unwrap()
        .expect("the first has ended");
    assert!(next.token > late.token);
    drop(late); // does not take the lock from its successor
    assert!(next.is_held());
    assert!(cache.lock("a", MINUTE).await.unwrap().is_none());
}

#[tokio::test]
async fn tokens_grow_across_restarts() {
    let before = moved().0.lock("a", MINUTE).await.unwrap().expect("free").token;
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let after = moved().0.lock("a", MINUTE).await.unwrap().expect("free").token;
    assert!(after > before);
}
