use std::num::NonZeroU32;

use futures::future::join_all;
use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_providers::{Caps, Chain, Entry, SendError};

use crate::{Scripted, down, per_minute, two_with};

/// Seconds from now on to the end of a window of the clock.
fn left(clock: &Clock, window: i64) -> u64 {
    u64::try_from(window - clock.now().as_second().rem_euclid(window)).unwrap()
}

#[tokio::test]
async fn what_is_over_the_cap_goes_to_the_next() {
    let two = two_with(per_minute(3), per_minute(2));
    two.advance(left(&two.clock, 60));
    let mut took = Vec::new();
    for _ in 0..5 {
        took.push(two.sent().await);
    }
    assert_eq!(took, ["first", "first", "first", "second", "second"]);
    let wait = two.wait().await.unwrap();
    assert!((58..=60).contains(&wait), "{wait}");
    assert_eq!(two.attempts(), (3, 2), "nobody was asked");
    two.advance(60);
    assert_eq!(two.sent().await, "first");
}

#[tokio::test]
async fn a_day_is_capped_beside_its_minutes() {
    let caps = Caps {
        per_minute: NonZeroU32::new(2),
        per_day: NonZeroU32::new(5),
    };
    let two = two_with(caps, per_minute(1000));
    two.advance(left(&two.clock, 86_400));
    let mut taken = 0;
    for _ in 0..10 {
        for _ in 0..3 {
            taken += usize::from(two.sent().await == "first");
        }
        two.advance(60);
    }
    assert_eq!(taken, 5);
    two.advance(86_400);
    assert_eq!(two.sent().await, "first");
}

#[tokio::test]
async fn attempts_that_fail_count() {
    let two = two_with(per_minute(2), Caps::default());
    two.advance(left(&two.clock, 60));
    two.first.always(down());
    for _ in 0..4 {
        assert_eq!(two.sent().await, "second");
    }
    assert_eq!(two.attempts(), (2, 4));
}

#[tokio::test]
async fn a_cap_holds_for_all_who_share_the_cache() {
    let clock = Clock::adjustable();
    let cache = Cache::local_with_clock(1 << 20, clock.clone());
    clock.advance(std::time::Duration::from_secs(left(&clock, 60)));
    let provider = Scripted::default();
    let chain = || {
        let entry = Entry {
            name: "one".to_owned(),
            caps: per_minute(10),
            provider: provider.clone(),
        };
        Chain::new("test", vec![entry], cache.clone(), clock.clone())
    };
    let chains = [chain(), chain(), chain()];
    let outcomes = join_all((0..60).map(|n| chains[n % 3].send("m"))).await;
    let sent = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let later = |outcome: &&Result<_, SendError>| {
        matches!(
            outcome,
            Err(SendError::Transient {
                retry_after: Some(_),
                ..
            })
        )
    };
    assert_eq!((sent, outcomes.iter().filter(later).count()), (10, 50));
    assert_eq!(provider.attempts(), 10);
}

#[tokio::test]
async fn two_accounts_with_one_provider_have_caps_of_their_own() {
    let clock = Clock::adjustable();
    clock.advance(std::time::Duration::from_secs(left(&clock, 60)));
    let entry = || Entry {
        name: "mx.example".to_owned(),
        caps: per_minute(1),
        provider: Scripted::default(),
    };
    let cache = Cache::local_with_clock(1 << 20, clock.clone());
    let chain = Chain::new("test", vec![entry(), entry()], cache, clock);
    let mut took = Vec::new();
    for _ in 0..2 {
        took.push(chain.send("m").await.unwrap().provider);
    }
    assert_eq!(took, ["mx.example", "mx.example#2"]);
}
