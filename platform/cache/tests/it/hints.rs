//! Hints that cannot all be heard.

use bytes::Bytes;
use stoa_cache::{Cache, Notice};

#[tokio::test]
async fn one_who_hears_too_slowly_is_told_of_the_gap() {
    let cache = Cache::local(1000);
    let mut hearing = cache.hear("topic");
    for n in 0..1000_u32 {
        cache
            .tell("topic", Bytes::copy_from_slice(&n.to_be_bytes()))
            .await;
    }
    assert_eq!(hearing.next().await, Some(Notice::Gap));
    let Some(Notice::Message(_)) = hearing.next().await else {
        panic!("what is left is heard");
    };
}

#[tokio::test]
async fn hearing_ends_with_the_cache() {
    let cache = Cache::local(1000);
    let mut hearing = cache.hear("topic");
    drop(cache);
    assert_eq!(hearing.next().await, None);
}
