//! Several processes of one service on one database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use stoa_events::{Subscription, Work};
use tokio::time::Instant;

use super::fixture::{Fixture, all_once_in_order, count, emit_many, made, until};
use crate::pair::{ThingMade, write_down};

/// Longer than a lease takes to change hands, with room for a busy machine.
const TAKEOVER: Duration = Duration::from_secs(12);

fn counted(runs: &Arc<AtomicUsize>) -> Vec<Subscription> {
    let runs = Arc::clone(runs);
    let handler = move |work: Work<ThingMade>| {
        runs.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            write_down(work).await
        }
    };
    vec![Subscription::new("sink.write_down", handler)]
}

async fn two_replicas_keep_the_order_and_share_the_work(fixture: Arc<Fixture>) {
    let source = [fixture.db("source").await, fixture.db("source").await];
    let sink = [fixture.db("sink").await, fixture.db("sink").await];
    let runs = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let mut workers = Vec::new();
    for replica in 0..2 {
        let bus = fixture.bus().await;
        workers.push(fixture.start(&sink[replica], &bus, counted(&runs[replica])).await);
        workers.push(fixture.start(&source[replica], &bus, vec![]).await);
    }
    let both_work = || runs.iter().all(|runs| runs.load(Ordering::SeqCst) > 10);
    let mut told = 0;
    // On a busy machine one of them may be quick enough for all that there is at first.
    while told < 300 || (told < 6000 && !both_work()) {
        for number in told..told + 30 {
            // One teller for each key, as where a row is changed first.
            let key = number % 12;
            super::fixture::emit(&source[usize::try_from(key % 2).unwrap()], key, number).await;
        }
        told += 30;
    }
    all_once_in_order(&sink[0], told).await;
    let runs = runs.map(|runs| runs.load(Ordering::SeqCst));
    assert_eq!(
        runs[0] + runs[1],
        usize::try_from(told).unwrap(),
        "none runs twice: {runs:?}"
    );
    assert!(runs.iter().all(|runs| *runs > 10), "both work: {runs:?}");
}

async fn another_replica_takes_over_after_a_crash(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    let holder = [
        fixture.start(&source, &bus, vec![]).await,
        fixture.start(&sink, &bus, made()).await,
    ];
    emit_many(&source, 0, 30).await;
    until("the first effects", async || count(&sink).await == 30).await;
    let (other_source, other_sink) = (fixture.db("source").await, fixture.db("sink").await);
    let other = fixture.bus().await;
    let _heirs = [
        fixture.start(&other_source, &other, vec![]).await,
        fixture.start(&other_sink, &other, made()).await,
    ];
    // Without `stop`: where they stand, their leases still running.
    drop((holder, bus));
    let died = Instant::now();
    emit_many(&source, 30, 30).await;
    until("the effects of what came later", async || count(&sink).await > 30).await;
    assert!(died.elapsed() < TAKEOVER, "it took {:?}", died.elapsed());
    all_once_in_order(&sink, 60).await;
}

async fn a_replica_that_stops_hands_over_at_once(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    let _source = fixture.start(&source, &bus, vec![]).await;
    let holder = fixture.start(&sink, &bus, made()).await;
    emit_many(&source, 0, 30).await;
    until("the first effects", async || count(&sink).await == 30).await;
    let other = fixture.db("sink").await;
    let _heir = fixture.start(&other, &fixture.bus().await, made()).await;
    holder.stop(Duration::from_secs(5)).await;
    let stopped = Instant::now();
    emit_many(&source, 30, 30).await;
    all_once_in_order(&sink, 60).await;
    assert!(
        stopped.elapsed() < Duration::from_millis(3500),
        "it took {:?}",
        stopped.elapsed()
    );
}

/// A process that is held still for longer than its lease, with events in hand, and then goes on as if nothing had been.
async fn a_holder_that_was_only_paused_does_no_harm(fixture: Arc<Fixture>) {
    let (source, sink) = (fixture.db("source").await, fixture.db("sink").await);
    let bus = fixture.bus().await;
    let _source = fixture.start(&source, &bus, vec![]).await;
    let stop = Arc::new(tokio::sync::Notify::new());
    let process = std::thread::spawn({
        let (fixture, stop) = (Arc::clone(&fixture), Arc::clone(&stop));
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (db, bus) = (fixture.db("sink").await, fixture.bus().await);
                let worker = fixture.start(&db, &bus, made()).await;
                until("some effects", async || count(&db).await > 20).await;
                #[expect(clippy::disallowed_methods, reason = "it holds the whole process still")]
                std::thread::sleep(Duration::from_secs(8));
                stop.notified().await;
                worker.stop(Duration::from_secs(5)).await;
            });
        }
    });
    let mut emitted = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        emit_many(&source, emitted, 30).await;
        emitted += 30;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let other = fixture.db("sink").await;
    let _heir = fixture.start(&other, &fixture.bus().await, made()).await;
    while begun.elapsed() < Duration::from_secs(12) {
        emit_many(&source, emitted, 30).await;
        emitted += 30;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    all_once_in_order(&sink, emitted).await;
    stop.notify_one();
    tokio::task::block_in_place(|| process.join().unwrap());
}

conformance!(two_replicas_keep_the_order_and_share_the_work on nats_on_postgres, rabbitmq_on_postgres);
conformance!(another_replica_takes_over_after_a_crash on nats_on_postgres, rabbitmq_on_postgres);
conformance!(a_replica_that_stops_hands_over_at_once on nats_on_postgres, rabbitmq_on_postgres);
conformance!(a_holder_that_was_only_paused_does_no_harm on nats_on_postgres, rabbitmq_on_postgres);
