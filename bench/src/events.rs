//! Events from `emit` in one service's database to the committed effect in another's.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use stoa_db::{Db, DbOptions};
use stoa_engines::{Nats, Postgres, Rabbit};
use stoa_events::{Bus, BusConfig, Event, Subscription, TxExt, Work, Worker, WorkerOptions};
use tokio::task::block_in_place;

use crate::report::Report;

/// Tasks that emit at once.
const EMITTERS: u64 = 64;
/// While latency is measured, an event comes this often.
const EVERY: Duration = Duration::from_millis(10);
/// A backlog that has not been worked off after so long is not going to be.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Serialize, Deserialize, Event)]
#[event(name = "thing.made", key = "thing:{number}")]
struct ThingMade {
    number: i64,
}

/// Within one process, on SQLite.
pub(crate) async fn local(seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let folder = tempfile::tempdir()?;
    let url = |service| format!("sqlite:{}", folder.path().join(format!("{service}.db")).display());
    let bus = Bus::local();
    let options = WorkerOptions {
        concurrency: 512,
        sole: true,
        ..WorkerOptions::default()
    };
    let pair = Pair::start(url("source"), url("sink"), [bus.clone(), bus], options).await?;
    let (effects, rate) = pair.rate(seconds).await?;
    pair.stop().await;
    report.bounded(
        "events: emit to effect committed, end to end",
        format!("{rate:.0}/s"),
        format!("{effects} events, each a fsynced transaction at both ends"),
        "at least 20000/s",
        rate >= 20_000.0,
    );
    Ok(())
}

/// From one service to another on PostgreSQL, over each broker. What they share is the broker alone.
pub(crate) async fn brokers(seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let nats = block_in_place(Nats::start);
    broker("NATS", nats.url(), seconds, report).await?;
    drop(nats);
    let rabbit = block_in_place(Rabbit::start);
    broker("RabbitMQ", rabbit.url(), seconds, report).await
}

async fn broker(name: &str, url: String, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let postgres = block_in_place(Postgres::start);
    let config = BusConfig::new(url);
    let buses = [Bus::open(&config).await?, Bus::open(&config).await?];
    let pair = Pair::start(postgres.url(), postgres.url(), buses, WorkerOptions::default()).await?;
    let mut took = pair.latency(seconds).await?;
    let (effects, rate) = pair.rate(seconds).await?;
    pair.stop().await;
    took.sort_unstable();
    let percentile = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1e3;
    report.bounded(
        &format!("events over {name}, PostgreSQL at both ends: commit to effect committed"),
        format!("p50 {:.1} ms, p99 {:.1} ms", percentile(50), percentile(99)),
        format!("{} events, a hundred a second", took.len()),
        "p99 at most 10 ms",
        percentile(99) <= 10.0,
    );
    report.bounded(
        &format!("events over {name}: as many as go through"),
        format!("{rate:.0}/s"),
        format!("{effects} events, a transaction at both ends"),
        "at least 2500/s",
        rate >= 2_500.0,
    );
    Ok(())
}

/// When which event was told, and when it had its effect.
#[derive(Clone, Default)]
struct Times(Arc<Vec<[OnceLock<Instant>; 2]>>);

impl Times {
    fn note(&self, number: i64, end: usize) {
        let place = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        if let Some(place) = place {
            let _ = place[end].set(Instant::now()); // only a repetition finds it set
        }
    }
}

/// Two services, their workers running: `source` tells, `sink` follows.
struct Pair {
    source: Db,
    sink: Db,
    workers: [Worker; 2],
    times: Times,
    /// Effects that were committed.
    done: Arc<AtomicI64>,
}

impl Pair {
    async fn start(
        source: String,
        sink: String,
        [of_source, of_sink]: [Bus; 2],
        options: WorkerOptions,
    ) -> Result<Self, crate::Error> {
        let (source, sink) = (open(source, "source").await?, open(sink, "sink").await?);
        sink.execute("CREATE TABLE effects (number BIGINT PRIMARY KEY)", &[])
            .await?;
        let times = Times(Arc::new(
            std::iter::repeat_with(Default::default).take(10_000).collect(),
        ));
        let noted = times.clone();
        let done = Arc::new(AtomicI64::new(0));
        let counted = Arc::clone(&done);
        let effect = Subscription::new("sink.note", move |work: Work<ThingMade>| {
            let (times, counted) = (noted.clone(), Arc::clone(&counted));
            async move {
                let number = work.payload().number;
                let mut tx = work.begin().await?;
                tx.execute("INSERT INTO effects (number) VALUES ($1)", &[&number])
                    .await?;
                let done = work.commit(tx).await?;
                times.note(number, 1);
                counted.fetch_add(1, Ordering::Relaxed);
                Ok(done)
            }
        });
        let worker = |db: &Db, bus, subscriptions| {
            Worker::start(db.clone(), bus, subscriptions, vec![], vec![], options.clone())
        };
        let follows = worker(&sink, of_sink, vec![effect]).await?;
        let tells = worker(&source, of_source, vec![]).await?;
        Ok(Self {
            source,
            sink,
            workers: [tells, follows],
            times,
            done,
        })
    }

    /// Times from commit to commit, of events that come one by one.
    async fn latency(&self, seconds: u64) -> Result<Vec<Duration>, crate::Error> {
        // Until the first has arrived, leases are taken and statements planned.
        emit(&self.source, i64::MAX).await?;
        self.settled(1).await?;
        self.sink.execute("DELETE FROM effects", &[]).await?;
        let mut ticks = tokio::time::interval(EVERY);
        let count = i64::try_from(seconds)? * 100;
        for number in 0..count {
            ticks.tick().await;
            emit(&self.source, number).await?;
            self.times.note(number, 0);
        }
        self.settled(count).await?;
        self.sink.execute("DELETE FROM effects", &[]).await?;
        let took = self.times.0.iter().filter_map(|[told, done]| {
            // The effect may be there before who told hears of the commit.
            Some(done.get()?.saturating_duration_since(*told.get()?))
        });
        Ok(took.collect())
    }

    /// Emits without pause for so long; how many effects there were in the end, and how many a second.
    async fn rate(&self, seconds: u64) -> Result<(u64, f64), crate::Error> {
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds);
        let emitters: Vec<_> = (0..EMITTERS)
            .map(|emitter| {
                let source = self.source.clone();
                tokio::spawn(async move {
                    let mut emitted = 0_u64;
                    while Instant::now() < end {
                        let number = i64::try_from(emitter + emitted * EMITTERS).unwrap_or(i64::MAX);
                        emit(&source, number).await?;
                        emitted += 1;
                    }
                    Ok::<_, stoa_db::Error>(emitted)
                })
            })
            .collect();
        let mut emitted = 0;
        for emitter in emitters {
            emitted += emitter.await??;
        }
        let emitting = start.elapsed();
        let rest = self.settled(i64::try_from(emitted)?).await?;
        Ok((emitted, emitted as f64 / (emitting + rest).as_secs_f64()))
    }

    /// Waits until so many effects were committed, and sees that they are there; then the count begins anew.
    async fn settled(&self, effects: i64) -> Result<Duration, crate::Error> {
        let start = Instant::now();
        while self.done.load(Ordering::Relaxed) < effects {
            if start.elapsed() > PATIENCE {
                return Err(
                    format!("{effects} events did not all have their effect within {PATIENCE:?}").into(),
                );
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let took = start.elapsed();
        self.done.store(0, Ordering::Relaxed);
        let there: i64 = self.sink.fetch_one("SELECT COUNT(*) FROM effects", &[]).await?;
        if there != effects {
            return Err(format!("of {effects} events {there} had their effect").into());
        }
        Ok(took)
    }

    async fn stop(self) {
        for worker in self.workers {
            worker.stop(Duration::from_secs(5)).await;
        }
        self.source.close().await;
        self.sink.close().await;
    }
}

async fn emit(source: &Db, number: i64) -> Result<(), stoa_db::Error> {
    let mut tx = source.begin().await?;
    tx.emit(&ThingMade { number }).await?;
    tx.commit().await
}

async fn open(url: String, service: &str) -> Result<Db, crate::Error> {
    let db = Db::open(DbOptions::new(url, service)).await?;
    db.migrate("events", stoa_events::MIGRATIONS).await?;
    Ok(db)
}
