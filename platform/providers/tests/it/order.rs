use std::time::Duration;

use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_providers::{Breakers, Caps, Cause, Chain, Entry, SendError};

use crate::{Two, busy, down, two};

#[tokio::test]
async fn the_first_takes_all_while_it_works() {
    let two = two();
    for n in 0..3 {
        let receipt = two.chain.send("m").await.unwrap();
        assert_eq!(
            (receipt.provider.as_str(), receipt.id),
            ("first", format!("m-{n}"))
        );
    }
    assert_eq!(two.attempts(), (3, 0));
}

#[tokio::test]
async fn the_next_takes_what_the_first_cannot() {
    let two = two();
    for error in [
        down(),
        SendError::Permanent("not from here".into()),
        SendError::Config("no".into()),
    ] {
        two.first.next(error);
        assert_eq!(two.sent().await, "second");
    }
    assert_eq!(two.sent().await, "first");
}

#[tokio::test]
async fn a_refused_recipient_is_asked_of_nobody_else_and_breaks_nothing() {
    let two = two();
    for error in [
        SendError::Refused("no such mailbox".into()),
        SendError::Gone("unsubscribed".into()),
        SendError::transient(Cause::Recipient, "mailbox full"),
    ] {
        for _ in 0..20 {
            two.first.next(error.clone());
            assert_eq!(two.chain.send("m").await, Err(error.clone()));
        }
    }
    assert_eq!(two.attempts(), (60, 0));
    assert_eq!(two.sent().await, "first");
}

#[tokio::test]
async fn what_may_have_been_sent_is_given_to_nobody_else_at_once() {
    let two = two();
    let lost = SendError::transient(Cause::Lost, "no answer");
    for _ in 0..5 {
        two.first.next(lost.clone());
        assert_eq!(two.chain.send("m").await, Err(lost.clone()));
    }
    assert_eq!(two.attempts(), (5, 0));
    assert_eq!(
        two.sent().await,
        "second",
        "five in a row: the first is left alone"
    );
}

#[tokio::test]
async fn an_open_breaker_costs_no_attempt_and_one_message_tries_it() {
    let two = two();
    two.first.always(down());
    for _ in 0..20 {
        assert_eq!(two.sent().await, "second");
    }
    assert_eq!(two.attempts(), (5, 20));
    two.advance(31);
    for _ in 0..20 {
        assert_eq!(two.sent().await, "second");
    }
    assert_eq!(two.attempts(), (6, 40), "one try, and the breaker is open again");
    two.first.always(None);
    two.advance(61);
    assert_eq!(two.sent().await, "first");
    assert_eq!(two.attempts(), (7, 40));
}

#[tokio::test]
async fn the_only_provider_is_tried_each_time() {
    let Two { first, clock, .. } = two();
    let entry = Entry {
        name: "only".to_owned(),
        caps: Caps::default(),
        provider: first.clone(),
    };
    let chain = Chain::new("test", vec![entry], Cache::local(1 << 20), clock);
    first.always(down());
    for _ in 0..20 {
        assert!(chain.send("m").await.is_err());
    }
    first.always(None);
    assert!(chain.send("m").await.is_ok(), "as soon as it works");
    assert_eq!(first.attempts(), 21);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_left_alone() {
    let two = two();
    two.first.next(busy(90));
    assert_eq!(two.sent().await, "second");
    two.advance(60);
    assert_eq!(two.sent().await, "second");
    assert_eq!(two.attempts().0, 1);
    two.advance(31);
    assert_eq!(two.sent().await, "first");
}

#[tokio::test]
async fn when_nobody_can_take_it_the_error_says_when_to_come_back() {
    let two = two();
    two.first.next(busy(90));
    two.second.next(busy(20));
    assert_eq!(two.wait().await, Some(20));
    two.advance(5);
    assert_eq!(two.wait().await, Some(15), "nobody was asked");
    assert_eq!(two.attempts(), (1, 1));
    two.advance(16);
    two.second.next(down());
    assert_eq!(two.wait().await, None, "the second may be tried at any time");
}

#[tokio::test]
async fn it_is_refused_for_good_only_when_all_say_so() {
    let two = two();
    let never = SendError::Permanent("too large".into());
    two.first.next(never.clone());
    two.second.next(never.clone());
    assert_eq!(two.chain.send("m").await, Err(never.clone()));
    two.first.next(never);
    two.second.next(down());
    let Err(SendError::Transient { why, .. }) = two.chain.send("m").await else {
        panic!("given up")
    };
    assert!(
        why.contains("first: ") && why.contains("too large") && why.contains("second: down"),
        "{why}"
    );
}

#[tokio::test]
async fn providers_that_people_name_are_left_alone_one_by_one() {
    let clock = Clock::adjustable();
    let breakers = Breakers::new("test", clock.clone());
    let fails = || async { Err(down()) };
    let works = || async { Ok("taken".to_owned()) };
    for _ in 0..5 {
        assert_eq!(breakers.run("bad", fails()).await, Err(down()));
    }
    let skipped = breakers.run("bad", works()).await;
    let Err(SendError::Transient {
        retry_after: Some(wait),
        ..
    }) = skipped
    else {
        panic!("{skipped:?}")
    };
    assert!(wait <= Duration::from_secs(30), "{wait:?}");
    assert_eq!(breakers.run("good", works()).await.unwrap(), "taken");
    clock.advance(wait);
    assert_eq!(breakers.run("bad", works()).await.unwrap(), "taken");
}
