//! Handlers that wait for somebody who does not answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stoa_db::db_test;
use stoa_events::{
    Done, JobError, JobHandler, Subscription, Work, Worker, WorkerOptions, dead_letters, stats,
};

use crate::pair::{Note, Pair, SOON, Urgent, options, until, write_down};

/// Waits for ever.
fn silent() -> JobHandler {
    JobHandler::new(|_: Work<Urgent>| std::future::pending::<Result<Done, JobError>>()).retry(SOON)
}

#[db_test]
async fn a_silent_engine_does_not_take_the_workers_of_other_queues(pair: Pair) {
    let wanted = vec![Subscription::new("sink.write_down", write_down)];
    let sink = Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        wanted,
        vec![silent()],
        vec![],
        WorkerOptions {
            concurrency: 8,
            ..options()
        },
    )
    .await
    .unwrap();
    // More than there are workers, and more urgent than all else.
    for number in 0..40 {
        pair.enqueue(&Urgent { number }).await;
    }
    until("the silent one holds all workers", async || {
        stats(&pair.sink).await.unwrap().running >= 8
    })
    .await;
    let source = pair.start_source().await;
    for number in 0..50 {
        pair.emit(number % 5, number).await;
    }
    until("all others are done", async || pair.effects().await.len() == 50).await;
    let left = stats(&pair.sink).await.unwrap();
    assert_eq!(
        left.running + left.ready,
        40,
        "the silent one is waited for still"
    );
    drop((sink, source));
}

#[db_test]
async fn an_attempt_is_cut_off_at_its_deadline_and_made_again(pair: Pair) {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let handler = JobHandler::new(move |_: Work<Note>| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<Done, JobError>>()
    })
    .retry(SOON);
    let sink = Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![],
        vec![handler],
        vec![],
        WorkerOptions {
            deadline: Duration::from_millis(50),
            ..options()
        },
    )
    .await
    .unwrap();
    pair.enqueue(&Note { number: 1 }).await;
    until("a dead letter", async || {
        stats(&pair.sink).await.unwrap().dead == 1
    })
    .await;
    assert_eq!(attempts.load(Ordering::SeqCst), SOON.attempts);
    let why = dead_letters(&pair.sink, None, 1)
        .await
        .unwrap()
        .remove(0)
        .last_error
        .unwrap();
    assert!(why.contains("deadline"), "{why}");
    sink.stop(Duration::from_secs(5)).await;
}
