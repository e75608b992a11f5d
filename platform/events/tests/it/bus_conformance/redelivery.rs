//! Killed between any two steps: each effect once, each key in order.

use std::{sync::Arc, time::Duration};

use stoa_events::steps;

use super::fixture::{Fixture, all_once_in_order, emit_many, made};

async fn a_subscriber_killed_before_its_commit(fixture: Arc<Fixture>) {
    a_subscriber_killed(&fixture, false).await;
}

async fn a_subscriber_killed_after_its_commit_and_before_it_acknowledged(fixture: Arc<Fixture>) {
    a_subscriber_killed(&fixture, true).await;
}

async fn a_subscriber_killed(fixture: &Fixture, keeps: bool) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    bus.declare(&[("sink", &["thing.made"])]).await.unwrap();
    let _source = fixture.start(&source, &bus, vec![]).await;
    emit_many(&source, 0, 30).await;
    // Twice in a row, each time as a process of its own, which dies with what it was brought.
    for _ in 0..2 {
        let (dying, wanted) = (fixture.bus().await, made());
        let brought = steps::take_in(&dying, &sink, &wanted, keeps);
        // When all of it has been kept there may be nothing left to bring.
        let _ = tokio::time::timeout(Duration::from_secs(3), brought).await;
    }
    emit_many(&source, 30, 30).await;
    let _sink = fixture.start(&sink, &fixture.bus().await, made()).await;
    all_once_in_order(&sink, 60).await;
}

async fn a_publisher_killed_between_handing_on_and_forgetting(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    let _sink = fixture.start(&sink, &fixture.bus().await, made()).await;
    bus.declare(&[("sink", &["thing.made"])]).await.unwrap();
    for round in 0..3 {
        emit_many(&source, round * 20, 20).await;
        let events = steps::outgoing(&source).await.unwrap();
        steps::hand_on(&source, &bus, &events).await.unwrap();
    }
    let _source = fixture.start(&source, &fixture.bus().await, vec![]).await;
    emit_many(&source, 60, 20).await;
    all_once_in_order(&sink, 80).await;
}

/// The real workers, cut off at changing moments under load.
async fn both_cut_off_again_and_again(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    let mut emitted = 0;
    for round in 0..12_u64 {
        let here = fixture.bus().await;
        let teller = fixture.start(&source, &bus, vec![]).await;
        let follower = fixture.start(&sink, &here, made()).await;
        emit_many(&source, emitted, 40).await;
        emitted += 40;
        tokio::time::sleep(Duration::from_millis(round * round * 37 % 120)).await;
        // Without `stop`: where they stand.
        drop((teller, follower, here));
    }
    let _source = fixture.start(&source, &bus, vec![]).await;
    let _sink = fixture.start(&sink, &bus, made()).await;
    all_once_in_order(&sink, emitted).await;
}

conformance!(a_subscriber_killed_before_its_commit on nats, rabbitmq);
conformance!(a_subscriber_killed_after_its_commit_and_before_it_acknowledged on nats, rabbitmq);
conformance!(a_publisher_killed_between_handing_on_and_forgetting on nats, rabbitmq);
conformance!(both_cut_off_again_and_again on local, nats, rabbitmq);
