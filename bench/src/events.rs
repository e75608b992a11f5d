//! Events from `emit` in one service's database to the committed effect in another's.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stoa_db::{Db, DbOptions};
use stoa_events::{Bus, Event, Subscription, TxExt, Worker, WorkerOptions};

use crate::report::Report;

/// Tasks that emit at once.
const EMITTERS: u64 = 64;

#[derive(Serialize, Deserialize)]
struct ThingMade {
    number: i64,
}

impl Event for ThingMade {
    const NAME: &'static str = "thing.made";

    fn key(&self) -> String {
        format!("thing:{}", self.number)
    }
}

pub(crate) async fn measure(seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let folder = tempfile::tempdir()?;
    let source = open(&folder, "source").await?;
    let sink = open(&folder, "sink").await?;
    sink.execute("CREATE TABLE effects (number BIGINT PRIMARY KEY)", &[])
        .await?;
    let bus = Bus::local();
    let options = WorkerOptions {
        concurrency: 512,
        sole: true,
        ..WorkerOptions::default()
    };
    let effect = Subscription::new("sink.note", |work: stoa_events::Work<ThingMade>| async move {
        let mut tx = work.begin().await?;
        tx.execute(
            "INSERT INTO effects (number) VALUES ($1)",
            &[&work.payload().number],
        )
        .await?;
        work.commit(tx).await
    });
    let sink_worker = Worker::start(
        sink.clone(),
        bus.clone(),
        vec![effect],
        vec![],
        vec![],
        options.clone(),
    )
    .await?;
    let source_worker = Worker::start(source.clone(), bus, vec![], vec![], vec![], options).await?;

    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let emitters: Vec<_> = (0..EMITTERS)
        .map(|emitter| {
            let source = source.clone();
            tokio::spawn(async move {
                let mut emitted = 0_u64;
                while Instant::now() < end {
                    let mut tx = source.begin().await?;
                    let number = i64::try_from(emitter + emitted * EMITTERS).unwrap_or(i64::MAX);
                    tx.emit(&ThingMade { number }).await?;
                    tx.commit().await?;
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
    let effects = loop {
        let done: i64 = sink.fetch_one("SELECT COUNT(*) FROM effects", &[]).await?;
        if u64::try_from(done)? == emitted {
            break emitted;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let rate = effects as f64 / start.elapsed().as_secs_f64();
    source_worker.stop(Duration::from_secs(5)).await;
    sink_worker.stop(Duration::from_secs(5)).await;
    report.bounded(
        "events: emit to effect committed, end to end",
        format!("{rate:.0}/s"),
        format!("{effects} events, each a fsynced transaction at both ends"),
        "at least 20000/s",
        rate >= 20_000.0,
    );
    Ok(())
}

async fn open(folder: &tempfile::TempDir, service: &str) -> Result<Db, crate::Error> {
    let url = format!("sqlite:{}", folder.path().join(format!("{service}.db")).display());
    let db = Db::open(DbOptions::new(url, service)).await?;
    db.migrate("events", stoa_events::MIGRATIONS).await?;
    Ok(db)
}
