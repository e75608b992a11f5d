//! Every event has its effect once, in every subscription.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use stoa_db::db_test;
use stoa_events::{JobHandler, Subscription, TRACEPARENT, TxExt, Work, stats};

use crate::pair::{Note, Pair, ThingMade, Urgent, record, write_down};

#[db_test]
async fn each_event_has_its_effect_once(pair: Pair) {
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.write_down", write_down)],
            vec![],
            vec![],
        )
        .await;
    let source = pair.start_source().await;
    let emitters: Vec<_> = (0..8)
        .map(|emitter| {
            let pair = pair.clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    pair.emit(emitter, emitter * 100 + n).await;
                }
            })
        })
        .collect();
    for emitter in emitters {
        emitter.await.unwrap();
    }
    pair.settle(&source, &sink).await;
    let mut numbers: Vec<_> = pair
        .effects()
        .await
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    numbers.sort_unstable();
    let expected: Vec<_> = (0..8)
        .flat_map(|emitter| (0..25).map(move |n| emitter * 100 + n))
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(stats(&pair.source).await.unwrap().outbox, 0);
}

#[db_test]
async fn what_is_rolled_back_is_never_told(pair: Pair) {
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.write_down", write_down)],
            vec![],
            vec![],
        )
        .await;
    let source = pair.start_source().await;
    let mut tx = pair.source.begin().await.unwrap();
    tx.emit(&ThingMade { key: 1, number: 1 }).await.unwrap();
    tx.rollback().await;
    pair.emit(1, 2).await;
    pair.settle(&source, &sink).await;
    assert_eq!(pair.effects().await, [(1, 2)]);
}

#[db_test]
async fn every_subscription_gets_every_event(pair: Pair) {
    let again = |work: Work<ThingMade>| async move {
        let mut tx = work.begin().await?;
        record(&mut tx, work.payload().key, -work.payload().number).await?;
        work.commit(tx).await
    };
    let subscriptions = vec![
        Subscription::new("sink.write_down", write_down),
        Subscription::new("sink.again", again),
    ];
    let sink = pair.start_sink(subscriptions, vec![], vec![]).await;
    let source = pair.start_source().await;
    pair.emit(1, 7).await;
    pair.settle(&source, &sink).await;
    let mut effects = pair.effects().await;
    effects.sort_unstable();
    assert_eq!(effects, [(1, -7), (1, 7)]);
}

#[db_test]
async fn jobs_run_after_their_commit_and_not_before_their_time(pair: Pair) {
    let note = JobHandler::new(|work: Work<Note>| async move {
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    });
    let sink = pair.start_sink(vec![], vec![note], vec![]).await;
    let mut tx = pair.sink.begin().await.unwrap();
    tx.enqueue(&Note { number: 1 }).await.unwrap();
    tx.enqueue_at(&Note { number: 2 }, pair.clock.after(Duration::from_secs(3600)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    sink.idle().await;
    assert_eq!(pair.effects().await, [(0, 1)]);
    pair.clock.advance(Duration::from_secs(3601));
    sink.idle().await;
    assert_eq!(pair.effects().await, [(0, 1), (0, 2)]);
}

#[db_test]
async fn what_is_more_urgent_runs_first(pair: Pair) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let (a, b) = (Arc::clone(&order), Arc::clone(&order));
    let note = JobHandler::new(move |work: Work<Note>| {
        a.lock().unwrap().push(work.payload().number);
        work.done()
    });
    let urgent = JobHandler::new(move |work: Work<Urgent>| {
        b.lock().unwrap().push(work.payload().number);
        work.done()
    });
    let mut tx = pair.sink.begin().await.unwrap();
    for number in 0..10 {
        tx.enqueue(&Note { number }).await.unwrap();
    }
    tx.enqueue(&Urgent { number: 100 }).await.unwrap();
    tx.commit().await.unwrap();
    let options = stoa_events::WorkerOptions {
        concurrency: 1,
        ..crate::pair::options()
    };
    let sink = stoa_events::Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![],
        vec![note, urgent],
        vec![],
        options,
    )
    .await
    .unwrap();
    sink.idle().await;
    assert_eq!(order.lock().unwrap().first(), Some(&100));
    assert_eq!(order.lock().unwrap().len(), 11);
}

#[db_test]
async fn the_trace_goes_along(pair: Pair) {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let seen = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&seen);
    let subscription = Subscription::new("sink.trace", move |work: Work<ThingMade>| {
        *noted.lock().unwrap() = TRACEPARENT.try_with(Clone::clone).ok();
        work.done()
    });
    let sink = pair.start_sink(vec![subscription], vec![], vec![]).await;
    let source = pair.start_source().await;
    TRACEPARENT.scope(TRACE.to_owned(), pair.emit(1, 1)).await;
    pair.settle(&source, &sink).await;
    assert_eq!(seen.lock().unwrap().as_deref(), Some(TRACE));
}

#[db_test]
async fn a_worker_that_stops_lets_what_runs_end_and_gives_back_the_rest(pair: Pair) {
    let begun = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&begun);
    let slow = JobHandler::new(move |work: Work<Note>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let mut tx = work.begin().await?;
            record(&mut tx, 0, work.payload().number).await?;
            work.commit(tx).await
        }
    });
    let options = stoa_events::WorkerOptions {
        concurrency: 2,
        ..crate::pair::options()
    };
    let sink = stoa_events::Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![],
        vec![slow],
        vec![],
        options,
    )
    .await
    .unwrap();
    let mut tx = pair.sink.begin().await.unwrap();
    for number in 0..6 {
        tx.enqueue(&Note { number }).await.unwrap();
    }
    tx.commit().await.unwrap();
    while begun.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sink.stop(Duration::from_secs(5)).await;
    let left = stats(&pair.sink).await.unwrap();
    assert_eq!((left.running, left.dead), (0, 0));
    assert_eq!(
        pair.effects().await.len() + usize::try_from(left.ready).unwrap(),
        6
    );
    assert!(pair.effects().await.len() >= 2, "what ran was let end");
}
