//! A queue that somebody deleted.

use std::sync::Arc;

use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};

use super::fixture::{Fixture, all_once_in_order, count, emit_many, made, until};

async fn a_queue_that_was_deleted_is_made_again(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    bus.declare(&[("sink", &["thing.made"])]).await.unwrap();
    let sink_bus = fixture.bus().await;
    let first = fixture.start(&sink, &sink_bus, made()).await;
    let _source = fixture.start(&source, &bus, vec![]).await;
    emit_many(&source, 0, 20).await;
    until("the first effects", async || count(&sink).await == 20).await;
    first.stop(std::time::Duration::from_secs(5)).await;
    let connection = Connection::connect(&fixture.config.url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = format!("{}.sink.inbox", fixture.config.prefix);
    let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
    deleted.await.unwrap();
    // Told while there is no queue, and nobody who would make it: the relay sees that it is gone.
    emit_many(&source, 20, 20).await;
    until("the outbox handed on", async || {
        source
            .fetch_one::<i64>("SELECT COUNT(*) FROM outbox", &[])
            .await
            .unwrap()
            == 0
    })
    .await;
    let _sink = fixture.start(&sink, &sink_bus, made()).await;
    all_once_in_order(&sink, 40).await;
}

conformance!(a_queue_that_was_deleted_is_made_again on rabbitmq);
