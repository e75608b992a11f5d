use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use futures::FutureExt;
use proptest::prelude::*;
use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_kernel::Rate;

use crate::moved;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn address(text: &str) -> LimitKey {
    LimitKey::address(text.parse::<IpAddr>().unwrap())
}

fn key(n: u32) -> LimitKey {
    LimitKey::hash(&[&n.to_be_bytes()])
}

async fn allowed(limiter: &Limiter, key: LimitKey) -> bool {
    limiter.check(key).await.expect("the rate is on").allowed
}

/// For a limiter of this process alone, which never waits.
fn allowed_at_once(limiter: &Limiter, key: LimitKey) -> bool {
    let answer = allowed(limiter, key).now_or_never();
    answer.expect("a local limiter answers at once")
}

#[tokio::test]
async fn the_whole_rate_may_come_as_a_burst_and_then_one_by_one() {
    let (cache, clock) = moved();
    let limiter = cache.limiter("test", rate("6/m"));
    let key = key(1);
    for left in (0..6).rev() {
        let verdict = limiter.check(key).await.unwrap();
        assert!(verdict.allowed);
        assert_eq!(
            (verdict.limit, verdict.remaining, verdict.retry_after),
            (6, left, Duration::ZERO)
        );
    }
    let refused = limiter.check(key).await.unwrap();
    assert!(!refused.allowed);
    assert_eq!(refused.remaining, 0);
    assert!(
        (9.0..=10.0).contains(&refused.retry_after.as_secs_f64()),
        "{refused:?}"
    );
    assert!(
        (59.0..=60.0).contains(&refused.reset.as_secs_f64()),
        "{refused:?}"
    );
    clock.advance(Duration::from_secs(10));
    assert!(allowed(&limiter, key).await);
    assert!(!allowed(&limiter, key).await);
    clock.advance(Duration::from_secs(60));
    assert_eq!(limiter.peek(key).await.unwrap().remaining, 6);
}

#[tokio::test]
async fn a_refused_caller_who_waits_as_told_is_allowed() {
    let (cache, clock) = moved();
    let limiter = cache.limiter("test", rate("7/s"));
    let key = LimitKey::User([9; 16]);
    for _ in 0..100 {
        let verdict = limiter.check(key).await.unwrap();
        if !verdict.allowed {
            clock.advance(verdict.retry_after + Duration::from_micros(1));
            assert!(allowed(&limiter, key).await);
        }
    }
}

#[tokio::test]
async fn peeking_takes_nothing_and_reset_gives_everything_back() {
    let (cache, _) = moved();
    let limiter = cache.limiter("test", rate("2/h"));
    let key = key(1);
    for _ in 0..10 {
        assert_eq!(limiter.peek(key).await.unwrap().remaining, 2);
    }
    assert!(allowed(&limiter, key).await && allowed(&limiter, key).await);
    assert!(!limiter.peek(key).await.unwrap().allowed);
    assert!(limiter.peek(key).await.unwrap().retry_after > Duration::ZERO);
    limiter.reset(key).await;
    assert_eq!(limiter.peek(key).await.unwrap().remaining, 2);
}

#[tokio::test]
async fn keys_and_names_count_apart_and_the_same_name_together() {
    let (cache, _) = moved();
    let limiter = cache.limiter("a", rate("1/h"));
    assert!(allowed(&limiter, key(1)).await);
    assert!(allowed(&limiter, key(2)).await);
    assert!(allowed(&cache.limiter("b", rate("1/h")), key(1)).await);
    assert!(!allowed(&cache.limiter("a", rate("1/h")), key(1)).await);
}

#[tokio::test]
async fn off_limits_nothing() {
    let limiter = Cache::local(1000).limiter("test", Rate::Off);
    assert!(limiter.is_off());
    assert_eq!(limiter.check(key(1)).await, None);
    assert_eq!(limiter.peek(key(1)).await, None);
    limiter.reset(key(1)).await;
}

#[test]
fn a_subscribers_ipv6_addresses_count_as_one() {
    assert_eq!(address("2001:db8:1:2:3:4:5:6"), address("2001:db8:1:2::1"));
    assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
    assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
}

#[tokio::test]
async fn idle_keys_are_forgotten() {
    let (cache, clock) = moved();
    let limiter = cache.limiter("test", rate("10/s"));
    for n in 0..200_000 {
        assert!(allowed(&limiter, key(n)).await);
        if n % 1000 == 0 {
            clock.advance(Duration::from_millis(100)); // one request is forgotten after this long
        }
    }
    assert!(limiter.keys() < 20_000, "{} keys are remembered", limiter.keys());
}

#[test]
fn checks_from_many_threads_never_exceed_the_limit() {
    let limiter = Cache::local(1000).limiter("test", rate("1000/d"));
    let count = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    count.fetch_add(u32::from(allowed_at_once(&limiter, key(1))), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 1000);
}

/// A guard against something slow on the path of every request, not a benchmark: this also runs unoptimised and beside others.
#[tokio::test]
async fn a_check_is_cheap() {
    let limiter = Cache::local(1000).limiter("test", rate("1000000/s"));
    let start = Instant::now();
    for n in 0..100_000 {
        let _ = limiter.check(key(n % 100)).await;
    }
    let each = start.elapsed() / 100_000;
    println!("{each:?} a check");
    assert!(each < Duration::from_micros(20), "{each:?} a check");
}

proptest! {
    /// In any window of any length no more than the burst and the rate times the window are allowed.
    #[test]
    fn never_more_than_burst_and_rate(
        count in 1_u32..50,
        unit in prop::sample::select(vec!["s", "m", "h"]),
        steps in prop::collection::vec(0_u64..2_000_000, 1..300),
    ) {
        let (cache, clock) = moved();
        let rate = rate(&format!("{count}/{unit}"));
        let Rate::Limit { period, .. } = rate else { unreachable!() };
        let limiter = cache.limiter("test", rate);
        let mut allowed_at = Vec::new();
        for step in steps {
            clock.advance(Duration::from_micros(step));
            // The clock runs on while the test does; what is measured brackets the check.
            let before = clock.now();
            if allowed_at_once(&limiter, key(7)) {
                allowed_at.push((before, clock.now()));
            }
        }
        for (i, (from, _)) in allowed_at.iter().enumerate() {
            for (j, (_, until)) in allowed_at.iter().enumerate().skip(i) {
                let window = until.duration_since(*from).as_secs_f64();
                let most = f64::from(count) * (1.0 + window / period.as_secs_f64()) + 1e-6;
                prop_assert!((j - i + 1) as f64 <= most, "{} in {window} s at {rate}", j - i + 1);
            }
        }
    }
}
