//! What every engine does, in real time.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use stoa_cache::{Limiter, Notice};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    MINUTE,
    fixture::{Fixture, key, on_every_engine, rate},
};

on_every_engine!(
    a_value_is_there_for_its_lifetime,
    what_is_set_again_is_replaced_and_what_is_removed_is_gone,
    any_bytes_and_any_key_come_back,
    one_of_many_adds_wins,
    what_is_counted_is_counted_once_and_ends_with_its_first,
    a_lock_has_one_holder,
    a_lock_ends_with_its_lifetime_and_its_late_holder_cannot_give_back_anothers,
    tokens_grow_from_holder_to_holder,
    the_whole_rate_may_come_as_a_burst,
    an_allowance_comes_back_in_time,
    what_is_spent_given_back_and_reset_counts,
    looking_takes_nothing,
    names_keys_and_rates_count_apart,
    several_limits_are_counted_at_once,
    many_at_once_never_exceed_the_limit,
    what_is_told_is_heard,
    it_says_that_it_is_well,
);

fn value(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Longer than the lifetimes that are meant to pass in a test.
async fn a_while() {
    sleep(Duration::from_millis(400)).await;
}

const SHORT: Duration = Duration::from_millis(200);

async fn a_value_is_there_for_its_lifetime(fixture: &Fixture) {
    let cache = fixture.cache().await;
    cache.set("short", value("1"), SHORT).await.unwrap();
    cache.set("long", value("2"), MINUTE).await.unwrap();
    cache.set("none", value("3"), Duration::ZERO).await.unwrap();
    assert_eq!(cache.get("long").await.unwrap(), Some(value("2")));
    a_while().await;
    assert_eq!(cache.get("short").await.unwrap(), None);
    assert_eq!(cache.get("none").await.unwrap(), None);
    assert_eq!(cache.get("long").await.unwrap(), Some(value("2")));
    assert_eq!(cache.get("never").await.unwrap(), None);
}

async fn what_is_set_again_is_replaced_and_what_is_removed_is_gone(fixture: &Fixture) {
    let cache = fixture.cache().await;
    cache.set("a", value("1"), SHORT).await.unwrap();
    cache.set("a", value("2"), MINUTE).await.unwrap();
    a_while().await;
    assert_eq!(cache.get("a").await.unwrap(), Some(value("2")));
    cache.remove("a").await.unwrap();
    cache.remove("a").await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
}

async fn any_bytes_and_any_key_come_back(fixture: &Fixture) {
    let cache = fixture.cache().await;
    let all: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let keys = [
        "a",
        "",
        "with spaces",
        "{braces}",
        "line\nbreak",
        "ünïcödé",
        "*",
        "a:b:c",
    ];
    for key in keys {
        cache.set(key, all.clone(), MINUTE).await.unwrap();
    }
    cache.set("empty", Bytes::new(), MINUTE).await.unwrap();
    for key in keys {
        assert_eq!(cache.get(key).await.unwrap(), Some(all.clone()), "{key:?}");
    }
    assert_eq!(cache.get("empty").await.unwrap(), Some(Bytes::new()));
}

async fn one_of_many_adds_wins(fixture: &Fixture) {
    let caches = [fixture.cache().await, fixture.cache().await];
    for round in 0..20 {
        let key = format!("round-{round}");
        let adds = join_all((0..8).map(|n| caches[n % 2].add(&key, value("1"), MINUTE))).await;
        let wins = adds.into_iter().filter(|won| *won.as_ref().unwrap()).count();
        assert_eq!(wins, 1, "{key}");
    }
    assert!(caches[0].add("brief", value("1"), SHORT).await.unwrap());
    a_while().await;
    assert!(caches[1].add("brief", value("2"), MINUTE).await.unwrap());
    assert_eq!(caches[0].get("brief").await.unwrap(), Some(value("2")));
}

async fn what_is_counted_is_counted_once_and_ends_with_its_first(fixture: &Fixture) {
    let cache = fixture.cache().await;
    let counts = join_all((0..50).map(|_| cache.count("many", MINUTE))).await;
    let counts: BTreeSet<u64> = counts.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts, (1..=50).collect());
    assert_eq!(cache.get("many").await.unwrap(), Some(value("50")));
    assert_eq!(cache.count("other", MINUTE).await.unwrap(), 1);

    assert_eq!(cache.count("short", SHORT).await.unwrap(), 1);
    sleep(SHORT / 2).await;
    assert_eq!(cache.count("short", MINUTE).await.unwrap(), 2);
    a_while().await;
    assert_eq!(
        cache.count("short", SHORT).await.unwrap(),
        1,
        "a later one does not make it last"
    );
}

async fn a_lock_has_one_holder(fixture: &Fixture) {
    let (one, other) = (fixture.cache().await, fixture.cache().await);
    let first = one.lock("a", MINUTE).await.unwrap().expect("nobody holds it");
    assert!(first.is_held());
    assert!(other.lock("a", MINUTE).await.unwrap().is_none());
    assert!(
        other.lock("b", MINUTE).await.unwrap().is_some(),
        "another key is free"
    );
    first.release().await;
    let second = other.lock("a", MINUTE).await.unwrap().expect("it was given back");
    drop(second);
    let deadline = Instant::now() + Duration::from_secs(10);
    while one.lock("a", MINUTE).await.unwrap().is_none() {
        assert!(
            Instant::now() < deadline,
            "a lock that is dropped is given back soon"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

async fn a_lock_ends_with_its_lifetime_and_its_late_holder_cannot_give_back_anothers(fixture: &Fixture) {
    let (one, other) = (fixture.cache().await, fixture.cache().await);
    let late = one.lock("a", SHORT).await.unwrap().expect("free");
    a_while().await;
    assert!(!late.is_held());
    let next = other
        .lock("a", MINUTE)
        .await
        .unwrap()
        .expect("the first has ended");
    assert!(next.token > late.token);
    late.release().await;
    assert!(next.is_held());
    assert!(one.lock("a", MINUTE).await.unwrap().is_none());
}

async fn tokens_grow_from_holder_to_holder(fixture: &Fixture) {
    let caches = [fixture.cache().await, fixture.cache().await];
    let mut last = 0;
    for n in 0..50 {
        let lock = caches[n % 2].lock("a", MINUTE).await.unwrap().expect("free");
        assert!(lock.token > last, "{} after {last}", lock.token);
        last = lock.token;
        lock.release().await;
    }
}

async fn the_whole_rate_may_come_as_a_burst(fixture: &Fixture) {
    let limiter = fixture.cache().await.limiter("test", rate("6/h"));
    for left in (0..6).rev() {
        let verdict = limiter.check(key(1)).await.unwrap();
        assert!(verdict.allowed);
        assert_eq!(
            (verdict.limit, verdict.remaining, verdict.retry_after),
            (6, left, Duration::ZERO)
        );
    }
    let refused = limiter.check(key(1)).await.unwrap();
    assert!(!refused.allowed);
    assert_eq!(refused.remaining, 0);
    assert!(
        (590.0..=600.0).contains(&refused.retry_after.as_secs_f64()),
        "{refused:?}"
    );
    assert!(
        (3590.0..=3600.0).contains(&refused.reset.as_secs_f64()),
        "{refused:?}"
    );
}

async fn an_allowance_comes_back_in_time(fixture: &Fixture) {
    let limiter = fixture.cache().await.limiter("test", rate("3/s"));
    let begun = Instant::now();
    let mut allowed = 0;
    while allowed < 6 {
        let verdict = limiter.check(key(1)).await.unwrap();
        if verdict.allowed {
            allowed += 1;
        } else {
            sleep(verdict.retry_after + Duration::from_millis(1)).await;
            assert!(
                limiter.check(key(1)).await.unwrap().allowed,
                "who waits as told is allowed"
            );
            allowed += 1;
        }
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(990),
        "{:?}",
        begun.elapsed()
    );
}

async fn what_is_spent_given_back_and_reset_counts(fixture: &Fixture) {
    let limiter = fixture.cache().await.limiter("test", rate("5/d"));
    let remaining = async || limiter.peek(key(1)).await.unwrap().remaining;
    limiter.spend(key(1), 3).await;
    assert_eq!(remaining().await, 2);
    limiter.give_back(key(1)).await;
    assert_eq!(remaining().await, 3);
    limiter.spend(key(1), 100).await;
    assert_eq!(remaining().await, 0);
    limiter.give_back(key(1)).await;
    assert_eq!(remaining().await, 1);
    limiter.reset(key(1)).await;
    assert_eq!(remaining().await, 5);
    limiter.give_back(key(1)).await;
    assert_eq!(remaining().await, 5, "nobody has more than the whole");
}

async fn looking_takes_nothing(fixture: &Fixture) {
    let limiter = fixture.cache().await.limiter("test", rate("1/h"));
    for _ in 0..3 {
        let look = limiter.peek(key(1)).await.unwrap();
        assert!(look.allowed && look.remaining == 1, "{look:?}");
    }
    assert!(limiter.check(key(1)).await.unwrap().allowed);
    let look = limiter.peek(key(1)).await.unwrap();
    assert!(!look.allowed && look.retry_after > Duration::ZERO, "{look:?}");
}

async fn names_keys_and_rates_count_apart(fixture: &Fixture) {
    let cache = fixture.cache().await;
    let allowed = async |name, text, n| {
        cache
            .limiter(name, rate(text))
            .check(key(n))
            .await
            .unwrap()
            .allowed
    };
    assert!(allowed("a", "1/h", 1).await);
    assert!(!allowed("a", "1/h", 1).await);
    assert!(allowed("a", "1/h", 2).await);
    assert!(allowed("b", "1/h", 1).await);
    assert!(allowed("a", "2/h", 1).await);
    assert_eq!(cache.limiter("a", rate("off")).check(key(1)).await, None);
}

async fn several_limits_are_counted_at_once(fixture: &Fixture) {
    let cache = fixture.cache().await;
    let (wide, tight, off) = (
        cache.limiter("wide", rate("10/h")),
        cache.limiter("tight", rate("2/h")),
        cache.limiter("off", rate("off")),
    );
    let limits = [(&wide, key(1)), (&off, key(1)), (&tight, key(2))];
    let first = Limiter::check_all(&limits).await.unwrap();
    assert!(first.allowed);
    assert_eq!((first.limit, first.remaining), (2, 1), "the tightest");
    assert!(Limiter::check_all(&limits).await.unwrap().allowed);
    let refused = Limiter::check_all(&limits).await.unwrap();
    assert_eq!((refused.allowed, refused.limit), (false, 2));
    assert_eq!(wide.peek(key(1)).await.unwrap().remaining, 7);
    assert_eq!(Limiter::check_all(&[(&off, key(1))]).await, None);
}

async fn many_at_once_never_exceed_the_limit(fixture: &Fixture) {
    let limiters = [
        fixture.cache().await.limiter("test", rate("50/d")),
        fixture.cache().await.limiter("test", rate("50/d")),
    ];
    let verdicts = join_all((0..200).map(|n| limiters[n % 2].check(key(1)))).await;
    let allowed: Vec<_> = verdicts
        .into_iter()
        .flatten()
        .filter(|verdict| verdict.allowed)
        .collect();
    assert_eq!(allowed.len(), 50);
    let remaining: BTreeSet<_> = allowed.iter().map(|verdict| verdict.remaining).collect();
    assert_eq!(remaining.len(), 50, "each was told another number");
}

async fn what_is_told_is_heard(fixture: &Fixture) {
    let (one, other) = (fixture.cache().await, fixture.cache().await);
    let mut heard = [one.hear("topic"), other.hear("topic")];
    let mut elsewhere = one.hear("another");
    // A server's hints come from when the connection stands; until then they are lost, as hints may be.
    let deadline = Instant::now() + Duration::from_secs(20);
    for hearing in &mut heard {
        loop {
            assert!(Instant::now() < deadline, "what was told was not heard");
            one.tell("topic", value("now")).await;
            match timeout(Duration::from_millis(200), hearing.next()).await {
                Ok(Some(Notice::Message(payload))) => break assert_eq!(payload, value("now")),
                Ok(None) => panic!("the cache is gone"),
                Ok(Some(Notice::Gap)) | Err(_) => {}
            }
        }
    }
    one.tell("another", value("last")).await;
    loop {
        match timeout(Duration::from_secs(10), elsewhere.next())
            .await
            .expect("it is told")
        {
            Some(Notice::Message(payload)) => break assert_eq!(payload, value("last"), "topics are apart"),
            Some(Notice::Gap) => {}
            None => panic!("the cache is gone"),
        }
    }
}

async fn it_says_that_it_is_well(fixture: &Fixture) {
    let cache = fixture.cache().await;
    let engine = cache.ping().await.unwrap().engine;
    let expected = match fixture.url() {
        "" => "local",
        url if url.starts_with("redis+cluster") => "redis cluster",
        _ => "redis",
    };
    assert_eq!((engine, cache.is_shared()), (expected, !fixture.url().is_empty()));
}
