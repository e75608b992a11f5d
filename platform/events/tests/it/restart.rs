//! What an outbox kept from before a crash.

use stoa_db::db_test;
use stoa_events::{Subscription, Worker};

use crate::pair::{Pair, options, write_down};

#[db_test]
async fn what_was_told_before_a_crash_finds_subscribers_that_start_after_the_one_who_told(pair: Pair) {
    // Told, and dead before anything was handed on.
    for number in 0..20 {
        pair.emit(number % 3, number).await;
    }
    // As a process starts: the services in their order, which has the one who tells first.
    let source = Worker::register(
        pair.source.clone(),
        pair.bus.clone(),
        vec![],
        vec![],
        vec![],
        options(),
    )
    .await
    .unwrap();
    let subscription = Subscription::new("sink.write_down", write_down);
    let sink = Worker::register(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![subscription],
        vec![],
        vec![],
        options(),
    )
    .await
    .unwrap();
    let (source, sink) = (source.start(), sink.start());
    pair.settle(&source, &sink).await;
    assert_eq!(pair.effects().await.len(), 20);
}
