//! Crashes between any two steps lose nothing and double nothing.

use std::time::Duration;

use proptest::prelude::*;
use stoa_db::{Engine, testing::run};
use stoa_events::{Subscription, Worker, WorkerOptions, steps};

use crate::pair::{Pair, ThingMade, options, write_down};

/// What happens next. After each of them the process may die: the next step starts from the tables alone.
#[derive(Clone, Copy, Debug)]
enum Step {
    Emit,
    /// The relay reads the outbox, hands it on as far as told, and dies there.
    Relay {
        delivers: bool,
        forgets: bool,
    },
    /// A worker claims, runs as many as told, and dies there.
    Work {
        runs: usize,
    },
    /// A new process: what ran is ready again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Emit),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(delivers, forgets)| Step::Relay { delivers, forgets: delivers && forgets }),
        3 => (0_usize..4).prop_map(|runs| Step::Work { runs }),
        2 => Just(Step::Restart),
    ]
}

async fn relay(pair: &Pair, delivers: bool, forgets: bool) {
    let events = steps::outgoing(&pair.source).await.unwrap();
    if delivers {
        steps::deliver_to(&pair.sink, "sink.write_down", "thing.made", "source", &events)
            .await
            .unwrap();
    }
    if forgets {
        steps::forget(&pair.source, &events).await.unwrap();
    }
}

/// Claims all, runs some in order, and stops as if dead.
async fn work(pair: &Pair, runs: usize) {
    let worker = stoa_kernel::Id::<()>::new(&pair.clock).uuid();
    let shares = [steps::Share {
        queue: "sink.write_down",
        most: 16,
    }];
    let claimed = steps::claim(&pair.sink, worker, Duration::from_secs(60), &shares, 16)
        .await
        .unwrap();
    for job in claimed.into_iter().take(runs) {
        let work = steps::work::<ThingMade>(&pair.sink, worker, job).unwrap();
        write_down(work).await.unwrap();
    }
}

/// The only worker of its service. What is cut off within this process may still claim on its way out, after its successor
/// has started; its lease ends soon.
fn sole() -> WorkerOptions {
    WorkerOptions {
        sole: true,
        lease: Duration::from_secs(2),
        ..options()
    }
}

async fn play(pair: &Pair, steps: &[Step]) -> i64 {
    let mut emitted = 0;
    for step in steps {
        match *step {
            Step::Emit => {
                pair.emit(emitted % 3, emitted).await;
                emitted += 1;
            }
            Step::Relay { delivers, forgets } => relay(pair, delivers, forgets).await,
            Step::Work { runs } => work(pair, runs).await,
            Step::Restart => {
                steps::release_all(&pair.sink).await.unwrap();
            }
        }
    }
    emitted
}

/// Starts everything anew, as after a crash, and checks what has come of it all.
async fn follows_once(pair: &Pair, emitted: i64) {
    let options = sole();
    let subscription = Subscription::new("sink.write_down", write_down);
    let start = async |db: &stoa_db::Db, subscriptions| {
        Worker::start(
            db.clone(),
            pair.bus.clone(),
            subscriptions,
            vec![],
            vec![],
            options.clone(),
        )
        .await
        .unwrap()
    };
    let (sink, source) = (
        start(&pair.sink, vec![subscription]).await,
        start(&pair.source, vec![]).await,
    );
    pair.settle(&source, &sink).await;
    let effects = pair.effects().await;
    let mut numbers: Vec<_> = effects.iter().map(|(_, number)| *number).collect();
    for key in 0..3 {
        let of_key: Vec<_> = effects
            .iter()
            .filter(|(k, _)| *k == key)
            .map(|(_, number)| *number)
            .collect();
        assert!(of_key.is_sorted(), "key {key} out of order: {of_key:?}");
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..emitted).collect::<Vec<_>>());
    sink.stop(Duration::from_secs(5)).await;
    source.stop(Duration::from_secs(5)).await;
}

fn crash_between_any_two_steps(engine: Engine, cases: u32) {
    proptest!(ProptestConfig::with_cases(cases), |(steps in prop::collection::vec(step(), 1..40))| {
        run(engine, |pair: Pair| async move {
            let emitted = play(&pair, &steps).await;
            follows_once(&pair, emitted).await;
        });
    });
}

#[test]
fn a_crash_between_any_two_steps_loses_nothing_and_doubles_nothing_on_sqlite() {
    crash_between_any_two_steps(Engine::Sqlite, 64);
}

#[test]
fn a_crash_between_any_two_steps_loses_nothing_and_doubles_nothing_on_postgres() {
    crash_between_any_two_steps(Engine::Postgres, 12);
}

/// The real workers, cut off at random moments under load.
#[test]
fn workers_cut_off_at_any_moment_lose_nothing_and_double_nothing() {
    proptest!(ProptestConfig::with_cases(12), |(moments in prop::collection::vec(0_u64..30_000, 1..6))| {
        run(Engine::Sqlite, |pair: Pair| async move {
            let mut emitted = 0;
            for moment in moments {
                let options = sole();
                let subscription = Subscription::new("sink.write_down", write_down);
                let start = |db: &stoa_db::Db, subscriptions| {
                    Worker::start(db.clone(), pair.bus.clone(), subscriptions, vec![], vec![], options.clone())
                };
                let (sink, source) = (start(&pair.sink, vec![subscription]).await.unwrap(), start(&pair.source, vec![]).await.unwrap());
                for _ in 0..12 {
                    pair.emit(emitted % 3, emitted).await;
                    emitted += 1;
                }
                tokio::time::sleep(Duration::from_micros(moment)).await;
                // Without `stop`: where they stand.
                drop((sink, source));
            }
            follows_once(&pair, emitted).await;
        });
    });
}
