//! Told before the subscriber has ever run.

use std::sync::Arc;

use super::fixture::{Fixture, all_once_in_order, emit_many, made};

async fn what_was_told_before_a_subscriber_first_starts_is_kept_for_it(fixture: Arc<Fixture>) {
    let source = fixture.db("source").await;
    let bus = fixture.bus().await;
    let wanted: &[(&str, &[&str])] = &[("sink", &["thing.made"]), ("source", &[])];
    bus.declare(wanted).await.unwrap();
    bus.declare(wanted).await.unwrap();
    let teller = fixture.start(&source, &bus, vec![]).await;
    emit_many(&source, 0, 30).await;
    teller.idle().await;
    // Everybody is gone before the first of the subscribers comes.
    drop((teller, bus));
    let sink = fixture.db("sink").await;
    let _sink = fixture.start(&sink, &fixture.bus().await, made()).await;
    all_once_in_order(&sink, 30).await;
}

async fn what_nobody_wants_holds_up_nothing(fixture: Arc<Fixture>) {
    let source = fixture.db("source").await;
    let teller = fixture.start(&source, &fixture.bus().await, vec![]).await;
    emit_many(&source, 0, 10).await;
    tokio::time::timeout(std::time::Duration::from_secs(30), teller.idle())
        .await
        .expect("the outbox becomes empty");
}

conformance!(what_was_told_before_a_subscriber_first_starts_is_kept_for_it on nats, rabbitmq);
conformance!(what_nobody_wants_holds_up_nothing on local, nats, rabbitmq);
