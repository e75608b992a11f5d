//! Retries, dead letters, replay, lost leases, purge.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use stoa_db::{Engine, db_test, testing::DbTest as _};
use stoa_events::{
    JobError, JobHandler, Retry, Work, Worker, WorkerOptions, dead_letters, replay, stats, steps,
};

use crate::pair::{Note, Pair, SOON, notes, options, record, until};

#[db_test]
async fn what_always_fails_becomes_a_dead_letter_and_can_be_replayed(pair: Pair) {
    let (attempts, mended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, works) = (Arc::clone(&attempts), Arc::clone(&mended));
    let handler = JobHandler::new(move |work: Work<Note>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let works = works.load(Ordering::SeqCst);
        async move {
            if !works {
                return Err(JobError::Retry("the other side is down".to_owned()));
            }
            let mut tx = work.begin().await?;
            record(&mut tx, 0, work.payload().number).await?;
            work.commit(tx).await
        }
    })
    .retry(SOON);
    let sink = pair.start_sink(vec![], vec![handler], vec![]).await;
    pair.enqueue(&Note { number: 5 }).await;
    until("a dead letter", async || {
        stats(&pair.sink).await.unwrap().dead == 1
    })
    .await;
    assert_eq!(attempts.load(Ordering::SeqCst), SOON.attempts);
    let letters = dead_letters(&pair.sink, None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].queue, "sink.note");
    assert_eq!(letters[0].last_error.as_deref(), Some("the other side is down"));
    assert!(pair.effects().await.is_empty());

    mended.store(true, Ordering::SeqCst);
    assert!(replay(&pair.sink, "sink.note", letters[0].id).await.unwrap());
    assert!(
        !replay(&pair.sink, "sink.note", letters[0].id).await.unwrap(),
        "it is no dead letter any more"
    );
    sink.idle().await;
    assert_eq!(pair.effects().await, [(0, 5)]);
}

/// On SQLite, where another process that writes holds up everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_cannot_be_noted_at_once_is_noted_once_it_can_be() {
    let (pair, guard) = Pair::setup(Engine::Sqlite).await;
    let (ours, other) = (pair.impatient(Duration::from_millis(50)).await, pair.sink.clone());
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let handler = JobHandler::new(move |work: Work<Note>| {
        let (first, other) = (counted.fetch_add(1, Ordering::SeqCst) == 0, other.clone());
        async move {
            if !first {
                return work.done().await;
            }
            let mut tx = other.begin().await?;
            record(&mut tx, 0, 0).await?;
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                tx.rollback().await;
            });
            Err(JobError::Retry("the other side is down".to_owned()))
        }
    })
    .retry(SOON);
    let sink = ours.start_sink(vec![], vec![handler], vec![]).await;
    pair.enqueue(&Note { number: 1 }).await;
    // Long before its lease ends.
    until("the second attempt", async || {
        attempts.load(Ordering::SeqCst) == 2
    })
    .await;
    sink.stop(Duration::from_secs(5)).await;
    ours.close().await;
    Pair::teardown(guard).await;
}

#[db_test]
async fn what_can_never_work_is_not_tried_again(pair: Pair) {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let handler = JobHandler::new(move |_: Work<Note>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err(JobError::Fatal("no such address".to_owned())) }
    });
    let _sink = pair.start_sink(vec![], vec![handler], vec![]).await;
    pair.enqueue(&Note { number: 1 }).await;
    until("a dead letter", async || {
        stats(&pair.sink).await.unwrap().dead == 1
    })
    .await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[db_test]
async fn a_panic_is_a_failed_attempt(pair: Pair) {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let handler = JobHandler::new(move |work: Work<Note>| {
        let attempt = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(attempt > 0, "the first attempt panics");
            work.done().await
        }
    })
    .retry(SOON);
    let sink = pair.start_sink(vec![], vec![handler], vec![]).await;
    pair.enqueue(&Note { number: 1 }).await;
    until("the second attempt", async || {
        attempts.load(Ordering::SeqCst) == 2
    })
    .await;
    sink.idle().await;
    assert_eq!(stats(&pair.sink).await.unwrap().dead, 0);
}

#[db_test]
async fn attempts_are_further_and_further_apart(pair: Pair) {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let hourly = Retry {
        attempts: 9,
        base: Duration::from_secs(3600),
        max: Duration::from_secs(4 * 3600),
    };
    let handler = JobHandler::new(move |_: Work<Note>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err(JobError::Retry("no".to_owned())) }
    })
    .retry(hourly);
    let _sink = pair.start_sink(vec![], vec![handler], vec![]).await;
    pair.enqueue(&Note { number: 1 }).await;
    until("the first attempt", async || {
        attempts.load(Ordering::SeqCst) == 1 && stats(&pair.sink).await.unwrap().ready == 1
    })
    .await;
    // Half of an hour at the least.
    pair.clock.advance(Duration::from_secs(29 * 60));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
    pair.clock.advance(Duration::from_secs(32 * 60));
    until("the second attempt", async || {
        attempts.load(Ordering::SeqCst) == 2 && stats(&pair.sink).await.unwrap().ready == 1
    })
    .await;
    // An hour at the least, this time.
    pair.clock.advance(Duration::from_secs(59 * 60));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
    pair.clock.advance(Duration::from_secs(62 * 60));
    until("the third attempt", async || attempts.load(Ordering::SeqCst) == 3).await;
}

#[db_test]
async fn who_has_lost_the_lease_cannot_commit(pair: Pair) {
    pair.enqueue(&Note { number: 1 }).await;
    // Claimed by a process that froze then: it renews nothing.
    let frozen = stoa_kernel::Id::<()>::new(&pair.clock).uuid();
    let shares = [steps::Share {
        queue: "sink.note",
        most: 1,
    }];
    let hour = Duration::from_secs(3600);
    let claimed = steps::claim(&pair.sink, frozen, hour, &shares, 1)
        .await
        .unwrap()
        .remove(0);
    let late = steps::work::<Note>(&pair.sink, frozen, claimed).unwrap();

    let options = WorkerOptions {
        lease: Duration::from_millis(200),
        ..options()
    };
    let second = Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![],
        vec![notes()],
        vec![],
        options,
    );
    let second = second.await.unwrap();
    until("the second attempt", async || pair.effects().await == [(0, 1)]).await;
    let mut tx = late.begin().await.unwrap();
    record(&mut tx, 0, 2).await.unwrap();
    assert!(matches!(late.commit(tx).await, Err(JobError::Lost)));
    assert_eq!(pair.effects().await, [(0, 1)], "once, by the second");
    second.stop(Duration::from_secs(5)).await;
}

#[db_test]
async fn what_is_done_is_remembered_for_a_while_and_then_removed(pair: Pair) {
    let handler = || JobHandler::new(|work: Work<Note>| work.done());
    let sink = pair.start_sink(vec![], vec![handler()], vec![]).await;
    for number in 0..20 {
        pair.enqueue(&Note { number }).await;
    }
    sink.idle().await;
    let rows = async || {
        pair.sink
            .fetch_one::<i64>("SELECT COUNT(*) FROM jobs", &[])
            .await
            .unwrap()
    };
    assert_eq!(rows().await, 20);
    let payloads: i64 = pair
        .sink
        .fetch_one("SELECT COUNT(*) FROM jobs WHERE payload <> ''", &[])
        .await
        .unwrap();
    assert_eq!(payloads, 0, "what they were about is not kept");
    sink.stop(Duration::from_secs(5)).await;
    pair.clock.advance(Duration::from_secs(2 * 3600));
    let _sink = pair.start_sink(vec![], vec![handler()], vec![]).await;
    until("the purge", async || rows().await == 0).await;
}
