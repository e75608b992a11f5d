//! How much waits, for whoever draws it.

use std::{collections::HashSet, time::Duration};

use stoa_db::{Db, Error};
use tokio_util::sync::CancellationToken;

use crate::console;

/// Between two counts.
const EVERY: Duration = Duration::from_secs(10);

/// Counts what waits in `db`, until `stop`. Each process that works on it tells the same numbers. Tells once of each queue that
/// is none of `known`: nobody runs its jobs, unless a process of another version does.
pub(crate) async fn run(db: Db, known: HashSet<&'static str>, stop: CancellationToken) {
    let mut told = HashSet::new();
    let service = db.service().to_owned();
    let ready = metrics::gauge!("stoa_jobs_ready", "service" => service.clone());
    let dead = metrics::gauge!("stoa_jobs_dead", "service" => service.clone());
    let outbox = metrics::gauge!("stoa_outbox_events", "service" => service.clone());
    loop {
        match console::stats(&db).await {
            Ok(stats) => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "beyond 2^53 a few more or less do not matter"
                )]
                let tell = |gauge: &metrics::Gauge, count: i64| gauge.set(count as f64);
                tell(&ready, stats.ready);
                tell(&dead, stats.dead);
                tell(&outbox, stats.outbox);
            }
            // What the last count said stays; that the database is away is told by others.
            Err(error) => tracing::debug!(service, %error, "what waits could not be counted"),
        }
        if let Err(error) = tell_strangers(&db, &known, &mut told).await {
            tracing::debug!(service, %error, "queues could not be looked at");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn tell_strangers(
    db: &Db,
    known: &HashSet<&'static str>,
    told: &mut HashSet<String>,
) -> Result<(), Error> {
    let sql = "SELECT queue FROM jobs WHERE state = 'ready' AND queue > $1 ORDER BY queue LIMIT 1";
    let mut queue = String::new();
    while let Some(next) = db.fetch_optional::<String>(sql, &[&queue]).await? {
        if !known.contains(next.as_str()) && told.insert(next.clone()) {
            tracing::warn!(
                service = db.service(),
                queue = next,
                "jobs wait in a queue that this program has no handler for; a newer one may have"
            );
        }
        queue = next;
    }
    Ok(())
}
