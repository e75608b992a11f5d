//! Of one key one at a time, and each once: also when they are slow, and when a dead letter comes back.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use stoa_db::db_test;
use stoa_events::{JobError, Subscription, Work, Worker, WorkerOptions, dead_letters, replay};

use crate::pair::{Pair, ThingMade, options, write_down};

#[db_test]
async fn what_waits_long_behind_its_key_is_not_claimed_again_meanwhile(pair: Pair) {
    let runs = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&runs);
    let slow = move |work: Work<ThingMade>| {
        seen.lock().unwrap().push((work.payload().number, work.attempt()));
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            write_down(work).await
        }
    };
    let options = WorkerOptions {
        lease: Duration::from_secs(1),
        ..options()
    };
    let subscription = Subscription::new("sink.write_down", slow);
    let sink = Worker::start(
        pair.sink.clone(),
        pair.bus.clone(),
        vec![subscription],
        vec![],
        vec![],
        options,
    )
    .await
    .unwrap();
    for number in 0..16 {
        pair.emit(1, number).await;
    }
    let source = pair.start_source().await;
    pair.settle(&source, &sink).await;
    let expected: Vec<_> = (0..16).map(|number| (number, 1)).collect();
    assert_eq!(
        *runs.lock().unwrap(),
        expected,
        "each is run once, by its first attempt"
    );
}

#[db_test]
async fn a_dead_letter_that_is_put_back_waits_for_what_runs_of_its_key(pair: Pair) {
    let (running, most, fails) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(true)),
    );
    let (inside, highest) = (Arc::clone(&running), Arc::clone(&most));
    let handler = move |work: Work<ThingMade>| {
        let (inside, highest, fails) = (Arc::clone(&inside), Arc::clone(&highest), Arc::clone(&fails));
        async move {
            if fails.swap(false, Ordering::SeqCst) {
                return Err(JobError::Fatal("not the first time".to_owned()));
            }
            highest.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(200)).await;
            inside.fetch_sub(1, Ordering::SeqCst);
            write_down(work).await
        }
    };
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.write_down", handler)],
            vec![],
            vec![],
        )
        .await;
    let source = pair.start_source().await;
    pair.emit(1, 0).await;
    pair.settle(&source, &sink).await;
    let dead = dead_letters(&pair.sink, None, 10).await.unwrap().remove(0);
    pair.emit(1, 1).await;
    while running.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(replay(&pair.sink, &dead.queue, dead.id).await.unwrap());
    pair.settle(&source, &sink).await;
    assert_eq!(pair.effects().await, [(1, 1), (1, 0)]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}
