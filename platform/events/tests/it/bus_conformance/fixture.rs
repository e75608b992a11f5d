//! A bus, databases, and what the stories need to see.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use stoa_db::{Db, DbOptions, Engine, testing::TestDatabase};
use stoa_engines::{Nats, Rabbit};
use stoa_events::{Bus, BusConfig, Event, MIGRATIONS, Subscription, TxExt, Work, Worker, WorkerOptions};
use stoa_kernel::random;

use crate::pair::{ThingMade, options, record, write_down};

/// Makes a story a test on each of these grounds. `alone` has a broker of its own, which it may stop.
macro_rules! conformance {
    ($story:ident on $($fixture:ident),+) => { conformance!(@ false, $story, $($fixture),+); };
    (alone $story:ident on $($fixture:ident),+) => { conformance!(@ true, $story, $($fixture),+); };
    (@ $alone:literal, $story:ident, $($fixture:ident),+) => {
        mod $story {
            $(#[test]
            fn $fixture() {
                $crate::bus_conformance::fixture::run(stringify!($fixture), $alone, super::$story);
            })+
        }
    };
}

/// Of the same keys as [`ThingMade`], under another name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ThingMoved {
    pub(crate) key: i64,
    pub(crate) number: i64,
}

impl Event for ThingMoved {
    const NAME: &'static str = "thing.moved";

    fn key(&self) -> String {
        format!("thing:{}", self.key)
    }
}

pub(crate) enum Broker {
    Local(Bus),
    Nats(Mutex<Nats>),
    Rabbit(Arc<Mutex<Rabbit>>),
}

pub(crate) struct Fixture {
    pub(crate) broker: Broker,
    pub(crate) engine: Engine,
    pub(crate) config: BusConfig,
    place: TestDatabase,
    /// A file has one process, so one handle.
    files: Mutex<BTreeMap<String, Db>>,
}

/// Runs a story on the ground of that name, such as `nats_on_postgres`.
pub(crate) fn run<F: Future<Output = ()>>(fixture: &str, alone: bool, story: impl FnOnce(Arc<Fixture>) -> F) {
    let (broker, engine) = match fixture.split_once("_on_") {
        Some((broker, _)) => (broker, Engine::Postgres),
        None => (fixture, Engine::Sqlite),
    };
    let (broker, url) = match broker {
        "nats" => nats(),
        "rabbitmq" => rabbit(alone),
        _ => (Broker::Local(Bus::local()), String::new()),
    };
    let mut config = BusConfig::new(url);
    config.prefix = format!("t{}", u32::from_be_bytes(random::bytes()));
    let fixture = Arc::new(Fixture {
        broker,
        engine,
        config,
        place: TestDatabase::new(engine),
        files: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let told = AssertUnwindSafe(story(Arc::clone(&fixture))).catch_unwind().await;
        if let Some(fixture) = Arc::into_inner(fixture) {
            for db in fixture.files.into_inner().unwrap().into_values() {
                db.close().await;
            }
            fixture.place.remove().await;
        }
        if let Err(panic) = told {
            resume_unwind(panic);
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

fn nats() -> (Broker, String) {
    let nats = Nats::start();
    let url = nats.url();
    (Broker::Nats(Mutex::new(nats)), url)
}

/// One node for all that do not stop it: it takes a while to start.
fn rabbit(alone: bool) -> (Broker, String) {
    static SHARED: Mutex<Weak<Mutex<Rabbit>>> = Mutex::new(Weak::new());
    let start = || Arc::new(Mutex::new(Rabbit::start()));
    let rabbit = if alone {
        start()
    } else {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let rabbit = start();
            *shared = Arc::downgrade(&rabbit);
            rabbit
        })
    };
    let url = rabbit.lock().unwrap().url();
    (Broker::Rabbit(rabbit), url)
}

impl Fixture {
    /// The bus, as one more process reaches it.
    pub(crate) async fn bus(&self) -> Bus {
        match &self.broker {
            Broker::Local(bus) => bus.clone(),
            Broker::Nats(_) | Broker::Rabbit(_) => Bus::open(&self.config).await.unwrap(),
        }
    }

    /// A service's database, as one more process opens it.
    pub(crate) async fn db(&self, service: &str) -> Db {
        if let Some(db) = self.files.lock().unwrap().get(service) {
            return db.clone();
        }
        let options = DbOptions {
            connections: 8,
            ..self.place.options(service)
        };
        let db = Db::open(options).await.unwrap();
        db.migrate("events", MIGRATIONS).await.unwrap();
        // No key on number: what is done twice is seen twice.
        let sql = "CREATE TABLE IF NOT EXISTS effects (position BIGINT NOT NULL, key BIGINT NOT NULL, number BIGINT NOT NULL)";
        db.execute(sql, &[]).await.unwrap();
        if self.engine == Engine::Sqlite {
            let mut files = self.files.lock().unwrap();
            files.insert(service.to_owned(), db.clone());
        }
        db
    }

    /// A worker, as the one of a process that starts: on SQLite what ran before is dead.
    pub(crate) async fn start(&self, db: &Db, bus: &Bus, subscriptions: Vec<Subscription>) -> Worker {
        let options = WorkerOptions {
            sole: self.engine == Engine::Sqlite,
            ..options()
        };
        Worker::start(db.clone(), bus.clone(), subscriptions, vec![], vec![], options)
            .await
            .unwrap()
    }

    pub(crate) fn kill_broker(&self) {
        self.with_broker(Nats::kill, Rabbit::kill);
    }

    pub(crate) fn stop_broker(&self) {
        self.with_broker(Nats::stop, Rabbit::stop);
    }

    pub(crate) fn start_broker_again(&self) {
        self.with_broker(Nats::start_again, Rabbit::start_again);
    }

    /// By RabbitMQ alone.
    pub(crate) fn close_connections(&self, times: u32, pause: Duration) {
        self.with_broker(
            |_| panic!("NATS closes no connection"),
            |rabbit| rabbit.close_connections(times, pause),
        );
    }

    /// On a thread that may block.
    fn with_broker(&self, nats: impl FnOnce(&mut Nats), rabbit: impl FnOnce(&mut Rabbit)) {
        tokio::task::block_in_place(|| match &self.broker {
            Broker::Local(_) => {}
            Broker::Nats(there) => nats(&mut lock(there)),
            Broker::Rabbit(there) => rabbit(&mut lock(there)),
        });
    }
}

fn lock<T>(there: &Mutex<T>) -> MutexGuard<'_, T> {
    there.lock().unwrap()
}

/// What the sink of most stories has subscribed to.
pub(crate) fn made() -> Vec<Subscription> {
    vec![Subscription::new("sink.write_down", write_down)]
}

pub(crate) async fn emit(db: &Db, key: i64, number: i64) {
    let mut tx = db.begin().await.unwrap();
    tx.emit(&ThingMade { key, number }).await.unwrap();
    tx.commit().await.unwrap();
}

/// `count` events from `first` on, over three keys.
pub(crate) async fn emit_many(db: &Db, first: i64, count: i64) {
    for number in first..first + count {
        emit(db, number % 3, number).await;
    }
}

/// Writes the moved thing down as an effect.
pub(crate) async fn write_moved(work: Work<ThingMoved>) -> Result<stoa_events::Done, stoa_events::JobError> {
    let mut tx = work.begin().await?;
    record(&mut tx, work.payload().key, work.payload().number).await?;
    work.commit(tx).await
}

/// Key and number of each effect, in the order of their commits.
pub(crate) async fn effects(db: &Db) -> Vec<(i64, i64)> {
    db.fetch_all("SELECT key, number FROM effects ORDER BY position, number", &[])
        .await
        .unwrap()
}

pub(crate) async fn count(db: &Db) -> i64 {
    db.fetch_one("SELECT COUNT(*) FROM effects", &[]).await.unwrap()
}

/// Waits up to a minute: far longer than it takes, for the machine may be busy.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("within a minute: {what}"));
}

/// Waits for the effects of the numbers from 0 on, and sees that each is there once and each key in order.
pub(crate) async fn all_once_in_order(db: &Db, emitted: i64) {
    until(&format!("{emitted} effects"), async || count(db).await >= emitted).await;
    // Time for what would come twice.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let effects = effects(db).await;
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (key, number) in &effects {
        keys.entry(key).or_default().push(*number);
    }
    for (key, numbers) in keys {
        assert!(numbers.is_sorted(), "key {key} out of order: {numbers:?}");
    }
    let mut numbers: Vec<_> = effects.iter().map(|(_, number)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..emitted).collect::<Vec<_>>(), "each once");
}
