//! Two services on one engine: `source` tells, `sink` follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_db::{
    Db, DbOptions, Engine,
    testing::{DbTest, TestDatabase},
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
    /// How to open the databases once more.
    places: [DbOptions; 2],
}

impl DbTest for Pair {
    type Guard = (Self, TestDatabase);

    async fn setup(engine: Engine) -> (Self, Self::Guard) {
        let place = TestDatabase::new(engine);
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
            places: [place.options("source"), place.options("sink")],
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

    /// The databases once more, as a process has them whose clock is ahead by this.
    pub(crate) async fn ahead(&self, by: Duration) -> Self {
        self.again(by, self.places[0].wait).await
    }

    /// The databases once more, as a process has them that waits no longer than this for its turn to write.
    pub(crate) async fn impatient(&self, wait: Duration) -> Self {
        self.again(Duration::ZERO, wait).await
    }

    async fn again(&self, ahead: Duration, wait: Duration) -> Self {
        let clock = Clock::adjustable();
        clock.advance(ahead);
        let open = async |options: &DbOptions| {
            let options = DbOptions {
                clock: clock.clone(),
                wait,
                ..options.clone()
            };
            Db::open(options).await.unwrap()
        };
        Self {
            source: open(&self.places[0]).await,
            sink: open(&self.places[1]).await,
            bus: Bus::local(),
            clock: clock.clone(),
            places: self.places.clone(),
        }
    }

    pub(crate) async fn close(self) {
        self.source.close().await;
        self.sink.close().await;
    }

    pub(crate) async fn enqueue(&self, job: &impl Job) {
        let mut tx = self.sink.begin().await.unwrap();
        tx.enqueue(job).await.unwrap();
        tx.commit().await.unwrap();
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

/// Waits for a condition, not for a time.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 20 s");
}

/// Writes the number of each note down.
pub(crate) fn notes() -> JobHandler {
    JobHandler::new(|work: Work<Note>| async move {
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    })
}
