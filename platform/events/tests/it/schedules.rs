//! Each time of a schedule, once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use stoa_db::db_test;
use stoa_events::{JobHandler, Schedule, TxExt, Work, Worker};

use crate::pair::{Note, Pair, record, until};

async fn start(pair: &Pair, cron: &str) -> Worker {
    let handler = JobHandler::new(|work: Work<Note>| async move {
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    });
    pair.start_sink(
        vec![],
        vec![handler],
        vec![Schedule::new("sink.hourly", cron, Note { number: 1 })],
    )
    .await
}

async fn runs(pair: &Pair) -> usize {
    // Two looks at the schedules.
    tokio::time::sleep(Duration::from_millis(150)).await;
    pair.effects().await.len()
}

#[db_test]
async fn once_an_hour_by_however_many_workers(pair: Pair) {
    let (_a, _b, _c) = (
        start(&pair, "0 * * * *").await,
        start(&pair, "0 * * * *").await,
        start(&pair, "0 * * * *").await,
    );
    assert_eq!(runs(&pair).await, 0);
    for hour in 1..=3 {
        pair.clock.advance(Duration::from_secs(3600));
        assert_eq!(runs(&pair).await, hour);
    }
}

#[db_test]
async fn what_was_missed_while_nothing_ran_is_made_up_for_once(pair: Pair) {
    let worker = start(&pair, "0 * * * *").await;
    worker.stop(Duration::from_secs(5)).await;
    pair.clock.advance(Duration::from_secs(10 * 3600));
    let _worker = start(&pair, "0 * * * *").await;
    assert_eq!(runs(&pair).await, 1);
}

/// A purge with a backlog, such as.
#[db_test]
async fn a_job_that_enqueues_itself_again_goes_on_in_one_line(pair: Pair) {
    let goes_on = Arc::new(AtomicBool::new(true));
    let more = Arc::clone(&goes_on);
    let handler = JobHandler::new(move |work: Work<Note>| {
        let more = Arc::clone(&more);
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut tx = work.begin().await?;
            record(&mut tx, 0, work.payload().number).await?;
            if more.load(Ordering::SeqCst) {
                tx.enqueue(work.payload()).await?;
            }
            work.commit(tx).await
        }
    });
    let schedule = Schedule::new("sink.hourly", "0 * * * *", Note { number: 1 });
    let worker = pair.start_sink(vec![], vec![handler], vec![schedule]).await;
    for _ in 0..4 {
        pair.clock.advance(Duration::from_secs(3600));
        let before = runs(&pair).await;
        until("it goes on", async || pair.effects().await.len() > before).await;
        let sql = "SELECT COUNT(*) FROM jobs WHERE state IN ('ready', 'waiting', 'running')";
        assert_eq!(pair.sink.fetch_one::<i64>(sql, &[]).await.unwrap(), 1);
    }
    goes_on.store(false, Ordering::SeqCst);
    worker.idle().await;
    let before = runs(&pair).await;
    // Over, it comes again at its time.
    pair.clock.advance(Duration::from_secs(3600));
    assert_eq!(runs(&pair).await, before + 1);
}

#[db_test]
async fn a_changed_expression_counts_from_now(pair: Pair) {
    let worker = start(&pair, "0 0 1 1 *").await;
    worker.stop(Duration::from_secs(5)).await;
    let _worker = start(&pair, "* * * * *").await;
    pair.clock.advance(Duration::from_secs(61));
    assert_eq!(runs(&pair).await, 1);
}

#[db_test]
async fn what_is_no_cron_expression_is_refused_at_the_start(pair: Pair) {
    let schedule = Schedule::new("sink.never", "every day", Note { number: 1 });
    let started = Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![],
        vec![],
        vec![schedule],
        crate::pair::options(),
    )
    .await;
    assert!(started.err().unwrap().to_string().contains("sink.never"));
}
