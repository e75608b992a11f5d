//! How much waits, for whoever draws it.

use std::time::Duration;

use stoa_db::Db;
use tokio_util::sync::CancellationToken;

use crate::console;

/// Between two counts.
const EVERY: Duration = Duration::from_secs(10);

/// Counts what waits in `db`, until `stop`. Each process that works on it tells the same numbers.
pub(crate) async fn run(db: Db, stop: CancellationToken) {
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
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
