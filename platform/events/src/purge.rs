//! What is over goes: done rows after a while, dead letters after three months.

use std::time::Duration;

use stoa_db::{Db, Error};
use tokio_util::sync::CancellationToken;

/// How long a dead letter waits for somebody to look at it.
const KEEP_DEAD: Duration = Duration::from_secs(90 * 24 * 3600);
/// Pause between two purges.
const EVERY: Duration = Duration::from_secs(600);
/// Rows of one transaction.
const BATCH: i64 = 500;

pub(crate) async fn run(db: Db, keep_done: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = purge(&db, keep_done).await {
            tracing::warn!(service = db.service(), %error, "old jobs could not be removed; trying again later");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Removes what is older than it is kept, in small transactions; returns how many rows.
pub(crate) async fn purge(db: &Db, keep_done: Duration) -> Result<u64, Error> {
    let mut removed = 0;
    for (state, keep) in [("done", keep_done), ("dead", KEEP_DEAD)] {
        let before = db
            .clock()
            .now()
            .saturating_sub(jiff::SignedDuration::try_from(keep).unwrap_or(jiff::SignedDuration::MAX));
        let before = before.unwrap_or(stoa_kernel::Timestamp::MIN);
        // The state stands in the text, so that the planner sees that the index of finished rows serves.
        let sql = format!(
            "DELETE FROM jobs WHERE (queue, id) IN \
             (SELECT queue, id FROM jobs WHERE state = '{state}' AND finished_at < $1 LIMIT $2)"
        );
        loop {
            let gone = db.execute(&sql, &[&before, &BATCH]).await?;
            removed += gone;
            if gone < BATCH.unsigned_abs() {
                break;
            }
            // Others write in between.
            tokio::task::yield_now().await;
        }
    }
    Ok(removed)
}
