//! Of one key, in the order of commits.

use std::sync::Arc;

use stoa_events::{Subscription, TxExt};

use super::fixture::{Fixture, ThingMoved, all_once_in_order, made, write_moved};
use crate::pair::ThingMade;

async fn events_of_one_key_take_effect_in_order(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let (there, here) = (fixture.bus().await, fixture.bus().await);
    let _sink = fixture.start(&sink, &here, made()).await;
    let _source = fixture.start(&source, &there, vec![]).await;
    for batch in 0..20 {
        let mut tx = source.begin().await.unwrap();
        for number in batch * 20..(batch + 1) * 20 {
            let key = number % 7;
            tx.emit(&ThingMade { key, number }).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    all_once_in_order(&sink, 400).await;
}

/// Each name has its own subscription, and within it each key its order: many names arrive by one way.
async fn events_of_several_names_all_arrive(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let (there, here) = (fixture.bus().await, fixture.bus().await);
    let mut subscriptions = made();
    subscriptions.push(Subscription::new("sink.write_moved", write_moved));
    let _sink = fixture.start(&sink, &here, subscriptions).await;
    let other = fixture.db("other").await;
    let only_moved = vec![Subscription::new("other.write_moved", write_moved)];
    let _other = fixture.start(&other, &fixture.bus().await, only_moved).await;
    let _source = fixture.start(&source, &there, vec![]).await;
    let mut tx = source.begin().await.unwrap();
    for number in 0..40 {
        tx.emit(&ThingMade { key: 1, number }).await.unwrap();
        let moved = ThingMoved {
            key: 2,
            number: number + 40,
        };
        tx.emit(&moved).await.unwrap();
    }
    tx.commit().await.unwrap();
    all_once_in_order(&sink, 80).await;
    super::fixture::until("what the other wants", async || {
        super::fixture::count(&other).await == 40
    })
    .await;
}

conformance!(events_of_one_key_take_effect_in_order on local, nats, rabbitmq, nats_on_postgres, rabbitmq_on_postgres);
conformance!(events_of_several_names_all_arrive on local, nats, rabbitmq);
