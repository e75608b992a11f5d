//! Clocks that are apart, that jump, and that are set back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stoa_db::db_test;
use stoa_events::{JobError, JobHandler, Schedule, Subscription, TxExt as _, Work, Worker, stats, steps};

use crate::pair::{Note, Pair, notes, options, until, write_down};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[db_test]
async fn replicas_with_clocks_apart_do_each_job_once(pair: Pair) {
    let other = pair.ahead(Duration::from_secs(90)).await;
    let runs = Arc::new(AtomicU32::new(0));
    let slow = || {
        let runs = Arc::clone(&runs);
        JobHandler::new(move |work: Work<Note>| {
            runs.fetch_add(1, Ordering::SeqCst);
            async move {
                // Long enough for the other to look often.
                tokio::time::sleep(Duration::from_millis(300)).await;
                work.done().await
            }
        })
    };
    let (a, b) = (
        pair.start_sink(vec![], vec![slow()], vec![]).await,
        other.start_sink(vec![], vec![slow()], vec![]).await,
    );
    for number in 0..20 {
        pair.enqueue(&Note { number }).await;
        other.enqueue(&Note { number }).await;
    }
    until("all are done", async || {
        let left = stats(&pair.sink).await.unwrap();
        left.ready + left.running == 0
    })
    .await;
    assert_eq!(runs.load(Ordering::SeqCst), 40, "each is run once");
    a.stop(Duration::from_secs(5)).await;
    b.stop(Duration::from_secs(5)).await;
    other.close().await;
}

#[db_test]
async fn a_clock_that_was_ahead_for_a_moment_silences_no_schedule(pair: Pair) {
    let schedule = |name| Schedule::new(name, "0 * * * *", Note { number: 1 });
    let worker = pair
        .start_sink(vec![], vec![notes()], vec![schedule("sink.hourly")])
        .await;
    worker.stop(Duration::from_secs(5)).await;
    let ahead = pair.ahead(400 * DAY).await;
    let worker = ahead
        .start_sink(vec![], vec![notes()], vec![schedule("sink.hourly")])
        .await;
    until("it is due there", async || ahead.effects().await.len() == 1).await;
    worker.stop(Duration::from_secs(5)).await;
    ahead.close().await;

    let worker = pair
        .start_sink(vec![], vec![notes()], vec![schedule("sink.hourly")])
        .await;
    until("it is brought back", async || {
        let next: stoa_kernel::Timestamp = pair
            .sink
            .fetch_one("SELECT next_at FROM schedules", &[])
            .await
            .unwrap();
        next < pair.clock.after(Duration::from_secs(3601))
    })
    .await;
    pair.clock.advance(Duration::from_secs(3600));
    until("it is due again", async || pair.effects().await.len() == 2).await;
    worker.stop(Duration::from_secs(5)).await;
}

/// A time that has come by the one clock does not come again by the other.
#[db_test]
async fn a_schedule_comes_once_where_clocks_are_apart(pair: Pair) {
    let schedule = || Schedule::new("sink.minutely", "* * * * *", Note { number: 1 });
    let ahead = pair.ahead(Duration::from_secs(90)).await;
    let behind = pair.start_sink(vec![], vec![notes()], vec![schedule()]).await;
    let worker = ahead.start_sink(vec![], vec![notes()], vec![schedule()]).await;
    until("it is due", async || !pair.effects().await.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Two, should a minute have begun meanwhile.
    assert!(pair.effects().await.len() <= 2, "{:?}", pair.effects().await);
    behind.stop(Duration::from_secs(5)).await;
    worker.stop(Duration::from_secs(5)).await;
    ahead.close().await;
}

#[db_test]
async fn what_was_enqueued_or_failed_while_the_clock_was_ahead_runs_when_it_is_right_again(pair: Pair) {
    let ahead = pair.ahead(400 * DAY).await;
    let failing = JobHandler::new(|_: Work<Note>| async { Err(JobError::Retry("not now".to_owned())) });
    let worker = ahead.start_sink(vec![], vec![failing], vec![]).await;
    ahead.enqueue(&Note { number: 1 }).await;
    until("it failed", async || {
        let sql = "SELECT MAX(attempts) FROM jobs WHERE state = 'waiting'";
        ahead.sink.fetch_one::<Option<i64>>(sql, &[]).await.unwrap() == Some(1)
    })
    .await;
    worker.stop(Duration::from_secs(5)).await;
    ahead.enqueue(&Note { number: 2 }).await;
    ahead.close().await;

    let worker = pair.start_sink(vec![], vec![notes()], vec![]).await;
    until("both run", async || pair.effects().await.len() == 2).await;
    worker.stop(Duration::from_secs(5)).await;
}

#[db_test]
async fn what_waits_for_its_time_runs_by_no_jump_that_is_soon_over(pair: Pair) {
    let worker = pair.start_sink(vec![], vec![notes()], vec![]).await;
    let mut tx = pair.sink.begin().await.unwrap();
    let later = pair.clock.after(DAY);
    tx.enqueue_at(&Note { number: 1 }, later).await.unwrap();
    tx.commit().await.unwrap();
    pair.clock.jump(400 * DAY);
    // Looks, and runs what is for now.
    pair.enqueue(&Note { number: 2 }).await;
    until("what is for now", async || !pair.effects().await.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    pair.clock.set_back(400 * DAY);
    pair.enqueue(&Note { number: 3 }).await;
    until("what is for now", async || pair.effects().await.len() == 2).await;
    assert_eq!(pair.effects().await, [(0, 2), (0, 3)]);
    // One that lasts is believed.
    pair.clock.jump(400 * DAY);
    until("what was to wait", async || pair.effects().await.len() == 3).await;
    worker.stop(Duration::from_secs(5)).await;
}

#[db_test]
async fn after_a_restart_behind_a_clock_step_events_of_a_key_keep_their_order(pair: Pair) {
    let ahead = pair.ahead(Duration::from_secs(3600)).await;
    // Some are handed on, as far as the subscriber's table, and some are not.
    ahead.emit(1, 0).await;
    ahead.emit(1, 1).await;
    let events = steps::outgoing(&ahead.source).await.unwrap();
    steps::deliver_to(&ahead.sink, "sink.write_down", "thing.made", "source", &events)
        .await
        .unwrap();
    steps::forget(&ahead.source, &events).await.unwrap();
    ahead.close().await;

    // A process whose clock was set back.
    let wanted = vec![Subscription::new("sink.write_down", write_down)];
    let sink = Worker::register(
        pair.sink.clone(),
        pair.bus.clone(),
        wanted,
        vec![notes()],
        vec![],
        options(),
    );
    let sink = sink.await.unwrap();
    let source = pair.start_source().await;
    pair.emit(1, 2).await;
    pair.emit(1, 3).await;
    source.idle().await;
    let sink = sink.start();
    pair.settle(&source, &sink).await;
    let of_key: Vec<_> = pair
        .effects()
        .await
        .into_iter()
        .filter(|(key, _)| *key == 1)
        .collect();
    assert_eq!(of_key, [(1, 0), (1, 1), (1, 2), (1, 3)]);
}
