//! How much is not sealed yet, and for how long.

use std::time::Duration;

use stoa_db::Db;
use tokio_util::sync::CancellationToken;

use crate::store;

/// Between two counts.
const EVERY: Duration = Duration::from_secs(5);
/// Counted up to here: counting more would itself be work.
const MOST: i64 = 100_000;

/// Counts what waits in `db`, until `stop`.
pub(crate) async fn run(db: Db, stop: CancellationToken) {
    let service = db.service().to_owned();
    let unsealed = metrics::gauge!("stoa_audit_unsealed", "service" => service.clone());
    let age = metrics::gauge!("stoa_audit_unsealed_age_seconds", "service" => service.clone());
    loop {
        match store::waiting(&db, MOST).await {
            Ok((count, oldest)) => {
                #[expect(clippy::cast_precision_loss, reason = "at most a hundred thousand")]
                unsealed.set(count as f64);
                let since = oldest.map(|at| db.clock().now().duration_since(at).as_secs_f64());
                age.set(since.unwrap_or_default().max(0.0));
            }
            // What the last count said stays; that the database is away is told by others.
            Err(error) => tracing::debug!(service, %error, "unsealed audit entries could not be counted"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
