//! Processes that die while they run jobs, and processes of several versions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stoa_db::db_test;
use stoa_events::{JobHandler, Retry, TxExt as _, Work, Worker, WorkerOptions, dead_letters, replay, stats};
use tokio::sync::Notify;

use crate::pair::{Note, Pair, Urgent, notes, options, record, until};

/// The only process.
fn sole() -> WorkerOptions {
    WorkerOptions {
        sole: true,
        ..options()
    }
}

async fn start(pair: &Pair, jobs: Vec<JobHandler>) -> Worker {
    let started = Worker::start(pair.sink.clone(), pair.bus.clone(), vec![], jobs, vec![], sole());
    started.await.unwrap()
}

/// A note takes a while; something urgent kills the process at once.
fn handlers(kill: &Arc<Notify>, attempts: u32) -> Vec<JobHandler> {
    let kill = Arc::clone(kill);
    let retry = Retry {
        attempts,
        ..Retry::default()
    };
    let deadly = JobHandler::new(move |_: Work<Urgent>| {
        kill.notify_one();
        std::future::pending()
    });
    let note = JobHandler::new(|work: Work<Note>| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    });
    vec![deadly.retry(retry), note.retry(retry)]
}

#[db_test]
async fn a_job_that_kills_the_process_each_time_is_buried_alone_and_those_beside_it_are_done(pair: Pair) {
    pair.enqueue(&Urgent { number: 0 }).await;
    for number in 0..10 {
        pair.enqueue(&Note { number }).await;
    }
    let kill = Arc::new(Notify::new());
    let mut deaths = 0;
    loop {
        let worker = start(&pair, handlers(&kill, 1)).await;
        let over = async {
            until("all is over", async || {
                let left = stats(&pair.sink).await.unwrap();
                left.ready + left.running == 0
            })
            .await;
        };
        tokio::select! {
            () = kill.notified() => {}
            () = over => break,
        }
        // Where it stands, as a process that is killed.
        drop(worker);
        tokio::time::sleep(Duration::from_millis(20)).await;
        deaths += 1;
        assert!(deaths < 12, "it is buried in the end");
    }
    let dead = dead_letters(&pair.sink, None, 20).await.unwrap();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0].queue, "sink.urgent");
    assert!(dead[0].last_error.clone().unwrap().contains("died"), "{dead:?}");
    let mut numbers: Vec<_> = pair
        .effects()
        .await
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "each once");
    assert!(replay(&pair.sink, "sink.urgent", dead[0].id).await.unwrap());
}

/// What processes died with three times.
async fn suspect(pair: &Pair, queue: &str) {
    let sql = "UPDATE jobs SET state = 'suspect', crashes = 3 WHERE queue = $1";
    assert!(pair.sink.execute(sql, &[&queue]).await.unwrap() > 0);
}

#[db_test]
async fn what_runs_alone_keeps_nobody_waiting_for_long(pair: Pair) {
    // Several that wait for somebody who does not answer.
    for number in 0..4 {
        pair.enqueue(&Urgent { number }).await;
    }
    suspect(&pair, "sink.urgent").await;
    let silent = JobHandler::new(|_: Work<Urgent>| std::future::pending());
    let note = JobHandler::new(|work: Work<Note>| async move {
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    });
    let worker = start(&pair, vec![silent.deadline(Duration::from_secs(60)), note]).await;
    until("the first runs alone", async || {
        stats(&pair.sink).await.unwrap().running > 0
    })
    .await;
    pair.enqueue(&Note { number: 1 }).await;
    // Well below the deadline of what runs alone.
    let done = async {
        while pair.effects().await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done)
        .await
        .expect("the other queue goes on");
    drop(worker);
}

#[db_test]
async fn what_runs_alone_waits_for_no_long_job_and_lets_none_wait(pair: Pair) {
    pair.enqueue(&Note { number: 0 }).await;
    let silent = JobHandler::new(|work: Work<Note>| async move {
        if work.payload().number == 0 {
            return std::future::pending().await;
        }
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    });
    let ran = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&ran);
    let urgent = JobHandler::new(move |work: Work<Urgent>| {
        counted.fetch_add(1, Ordering::SeqCst);
        work.done()
    });
    let worker = start(&pair, vec![silent.deadline(Duration::from_secs(60)), urgent]).await;
    until("the long one runs", async || {
        stats(&pair.sink).await.unwrap().running == 1
    })
    .await;
    let mut tx = pair.sink.begin().await.unwrap();
    tx.enqueue(&Urgent { number: 1 }).await.unwrap();
    let sql = "UPDATE jobs SET state = 'suspect', crashes = 3 WHERE queue = 'sink.urgent'";
    tx.execute(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
    pair.enqueue(&Note { number: 2 }).await;
    let done = async {
        while pair.effects().await.is_empty() || ran.load(Ordering::SeqCst) < 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done)
        .await
        .expect("both go on beside the long one");
    drop(worker);
}

#[db_test]
async fn a_crash_is_no_attempt(pair: Pair) {
    let (kill, attempts) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    pair.enqueue(&Urgent { number: 0 }).await;
    let worker = start(&pair, handlers(&kill, 1)).await;
    kill.notified().await;
    drop(worker);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let counted = Arc::clone(&attempts);
    let mended = JobHandler::new(move |work: Work<Urgent>| {
        counted.store(work.attempt(), Ordering::SeqCst);
        work.done()
    });
    let worker = start(&pair, vec![mended]).await;
    worker.idle().await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    assert_eq!(stats(&pair.sink).await.unwrap().dead, 0);
}

#[db_test]
async fn a_process_leaves_alone_what_it_has_no_handler_for(pair: Pair) {
    // Of the version before: it knows of no notes.
    let urgent = || JobHandler::new(|work: Work<Urgent>| work.done());
    let before = pair.start_sink(vec![], vec![urgent()], vec![]).await;
    pair.enqueue(&Note { number: 1 }).await;
    for number in 0..20 {
        pair.enqueue(&Urgent { number }).await;
    }
    until("its own jobs are done", async || {
        stats(&pair.sink).await.unwrap().ready == 1
    })
    .await;
    let sql = "SELECT attempts + claims + crashes FROM jobs WHERE queue = 'sink.note'";
    assert_eq!(
        pair.sink.fetch_one::<i64>(sql, &[]).await.unwrap(),
        0,
        "it was not touched"
    );
    let after = pair.start_sink(vec![], vec![urgent(), notes()], vec![]).await;
    until("the new one runs it", async || pair.effects().await == [(0, 1)]).await;
    drop((before, after));
}
