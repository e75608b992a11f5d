//! Two services on one engine: `source` tells, `sink` follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_db::{
    Db, DbOptions, Engine,
    testing::{DbTest, Place},
};
use stoa_events::{
    Bus, Event, Job, JobHandler, MIGRATIONS, Retry, Schedule, Subscription, TxExt, Work, Worker,
    WorkerOptions,
};
use stoa_kernel::Clock;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ThingMade {
    pub(crate) key: i64,
    pub(crate) number: i64,
}

impl Event for ThingMade {
    const NAME: &'static str = "thing.made";

    fn key(&self) -> String {
        format!("thing:{}", self.key)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) number: i64,
}

impl Job for Note {
    const NAME: &'static str = "sink.note";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Urgent {
    pub(crate) number: i64,
}

impl Job for Urgent {
    const NAME: &'static str = "sink.urgent";
    const PRIORITY: i16 = 10;
}

#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) source: Db,
    pub(crate) sink: Db,
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
}

impl DbTest for Pair {
    type Guard = (Self, Place);

    async fn setup(engine: Engine) -> (Self, Self::Guard) {
        let place = Place::new(engine);
        let clock = Clock::adjustable();
        let open = async |service: &str| {
            let options = DbOptions {
                clock: clock.clone(),
                ..place.options(service)
            };
            let db = Db::open(options).await.unwrap();
            db.migrate("events", MIGRATIONS).await.unwrap();
            db
        };
        let (source, sink) = (open("source").await, open("sink").await);
        // No key on number: what is done twice is seen twice.
        sink.execute(
            "CREATE TABLE effects (position BIGINT NOT NULL, key BIGINT NOT NULL, number BIGINT NOT NULL)",
            &[],
        )
        .await
        .unwrap();
        let pair = Self {
            source,
            sink,
            bus: Bus::local(),
            clock,
        };
        (pair.clone(), (pair, place))
    }

    async fn teardown((pair, place): Self::Guard) {
        pair.source.close().await;
        pair.sink.close().await;
        place.remove().await;
    }
}

pub(crate) fn options() -> WorkerOptions {
    WorkerOptions {
        poll: Duration::from_millis(20),
        ..WorkerOptions::default()
    }
}

/// Retries soon, so that tests need not wait.
pub(crate) const SOON: Retry = Retry {
    attempts: 4,
    base: Duration::from_millis(4),
    max: Duration::from_millis(20),
};

impl Pair {
    pub(crate) async fn emit(&self, key: i64, number: i64) {
        let mut tx = self.source.begin().await.unwrap();
        tx.emit(&ThingMade { key, number }).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn start_source(&self) -> Worker {
        Worker::start(
            self.source.clone(),
            self.bus.clone(),
            vec![],
            vec![],
            vec![],
            options(),
        )
        .await
        .unwrap()
    }

    pub(crate) async fn start_sink(
        &self,
        subscriptions: Vec<Subscription>,
        jobs: Vec<JobHandler>,
        schedules: Vec<Schedule>,
    ) -> Worker {
        Worker::start(
            self.sink.clone(),
            self.bus.clone(),
            subscriptions,
            jobs,
            schedules,
            options(),
        )
        .await
        .unwrap()
    }

    /// Until everything that was told has been done.
    pub(crate) async fn settle(&self, source: &Worker, sink: &Worker) {
        tokio::time::timeout(Duration::from_secs(30), async {
            source.idle().await;
            sink.idle().await;
        })
        .await
        .expect("everything is done within 30 s");
    }

    /// Key and number of each effect, in the order of their commits.
    pub(crate) async fn effects(&self) -> Vec<(i64, i64)> {
        self.sink
            .fetch_all("SELECT key, number FROM effects ORDER BY position", &[])
            .await
            .unwrap()
    }
}

/// Writes the event down as an effect.
pub(crate) async fn write_down(work: Work<ThingMade>) -> Result<stoa_events::Done, stoa_events::JobError> {
    let mut tx = work.begin().await?;
    record(&mut tx, work.payload().key, work.payload().number).await?;
    work.commit(tx).await
}

pub(crate) async fn record(tx: &mut stoa_db::Tx, key: i64, number: i64) -> Result<(), stoa_db::Error> {
    let sql = "INSERT INTO effects (position, key, number) SELECT COALESCE(MAX(position), 0) + 1, $1, $2 FROM effects";
    tx.execute(sql, &[&key, &number]).await.map(drop)
}
