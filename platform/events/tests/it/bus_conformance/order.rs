//! Of one key, in the order of commits.

use std::sync::Arc;

use stoa_events::{Subscription, TxExt};

use super::ground::{Ground, ThingMoved, all_once_in_order, made, write_moved};
use crate::pair::ThingMade;

async fn events_of_one_key_take_effect_in_order(ground: Arc<Ground>) {
    let (source, sink) = (ground.db("source").await, ground.db("sink").await);
    let (there, here) = (ground.bus().await, ground.bus().await);
    let _sink = ground.start(&sink, &here, made()).await;
    let _source = ground.start(&source, &there, vec![]).await;
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
async fn events_of_several_names_all_arrive(ground: Arc<Ground>) {
    let (source, sink) = (ground.db("source").await, ground.db("sink").await);
    let (there, here) = (ground.bus().await, ground.bus().await);
    let mut subscriptions = made();
    subscriptions.push(Subscription::new("sink.write_moved", write_moved));
    let _sink = ground.start(&sink, &here, subscriptions).await;
    let other = ground.db("other").await;
    let only_moved = vec![Subscription::new("other.write_moved", write_moved)];
    let _other = ground.start(&other, &ground.bus().await, only_moved).await;
    let _source = ground.start(&source, &there, vec![]).await;
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
    super::ground::until("what the other wants", async || {
        super::ground::count(&other).await == 40
    })
    .await;
}

conformance!(events_of_one_key_take_effect_in_order on local, nats, rabbitmq, nats_on_postgres, rabbitmq_on_postgres);
conformance!(events_of_several_names_all_arrive on local, nats, rabbitmq);
