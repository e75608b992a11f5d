use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use stoa_cache::Cache;

use crate::{MINUTE, moved};

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn a_value_is_there_until_its_lifetime_has_passed() {
    let (cache, clock) = moved();
    cache.set("a", value("1"), MINUTE).await.unwrap();
    clock.advance(MINUTE - Duration::from_secs(1));
    assert_eq!(cache.get("a").await.unwrap(), Some(value("1")));
    clock.advance(Duration::from_secs(2));
    assert_eq!(cache.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn lifetimes_pass_in_real_time_too() {
    let cache = Cache::local(1 << 20);
    cache
        .set("short", value("1"), Duration::from_millis(30))
        .await
        .unwrap();
    cache.set("long", value("1"), MINUTE).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(cache.get("short").await.unwrap(), None);
    assert_eq!(cache.get("long").await.unwrap(), Some(value("1")));
}

#[tokio::test]
async fn setting_again_replaces_value_and_lifetime() {
    let (cache, clock) = moved();
    cache.set("a", value("1"), MINUTE).await.unwrap();
    cache.set("a", value("2"), MINUTE * 10).await.unwrap();
    clock.advance(MINUTE * 5);
    assert_eq!(cache.get("a").await.unwrap(), Some(value("2")));
}

#[tokio::test]
async fn a_removed_value_is_gone_and_removing_nothing_is_fine() {
    let (cache, _) = moved();
    cache.set("a", value("1"), MINUTE).await.unwrap();
    cache.remove("a").await.unwrap();
    cache.remove("a").await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn add_sets_only_what_is_absent_or_expired() {
    let (cache, clock) = moved();
    assert!(cache.add("a", value("1"), MINUTE).await.unwrap());
    assert!(!cache.add("a", value("2"), MINUTE).await.unwrap());
    assert_eq!(cache.get("a").await.unwrap(), Some(value("1")));
    clock.advance(MINUTE * 2);
    assert!(cache.add("a", value("3"), MINUTE).await.unwrap());
    assert_eq!(cache.get("a").await.unwrap(), Some(value("3")));
}

#[test]
fn one_of_many_concurrent_adds_wins() {
    let cache = Arc::new(Cache::local(1 << 20));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for round in 0..200 {
        let key = format!("round-{round}");
        let wins: usize = std::thread::scope(|scope| {
            let adds: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        runtime
                            .handle()
                            .block_on(cache.add(&key, value("1"), MINUTE))
                            .unwrap()
                    })
                })
                .collect();
            adds.into_iter().map(|add| usize::from(add.join().unwrap())).sum()
        });
        assert_eq!(wins, 1, "{key}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_new_values_are_let_in() {
    let cache = Cache::local(100_000);
    let body = Bytes::from(vec![7; 1000]);
    for n in 0..1000 {
        cache
            .set(&format!("old-{n}"), body.clone(), MINUTE)
            .await
            .unwrap();
    }
    assert!(cache.add("new", body.clone(), MINUTE).await.unwrap());
    let mut kept = 0;
    for n in 0..1000 {
        kept += usize::from(cache.get(&format!("old-{n}")).await.unwrap().is_some());
    }
    assert!(kept <= 100, "{kept} values of 1000 bytes in a cache of 100000");
    assert!(cache.get("new").await.unwrap().is_some());
}

#[tokio::test]
async fn a_value_larger_than_the_cache_cannot_be_added() {
    let cache = Cache::local(1000);
    assert!(cache.add("a", Bytes::from(vec![0; 2000]), MINUTE).await.is_err());
}
