//! What an operator looks at.

use serde::Serialize;
use stoa_db::{Db, Error, FromRow};
use stoa_kernel::Timestamp;

use crate::EventId;

/// Work that failed for good.
#[derive(Clone, Debug, Serialize, FromRow)]
pub struct DeadLetter {
    /// The event's or job's id.
    pub id: EventId,
    /// The subscription's or job's name.
    pub queue: String,
    /// What it was to run in order with.
    pub key: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was given up.
    pub finished_at: Option<Timestamp>,
}

/// Counts for health and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
pub struct QueueStats {
    /// Events that not every subscriber has yet.
    pub outbox: i64,
    /// Work to be done, now or later.
    pub ready: i64,
    /// Work being done.
    pub running: i64,
    /// Work that failed for good.
    pub dead: i64,
}

/// Dead letters, oldest first.
///
/// # Errors
/// What the database says.
pub async fn dead_letters(db: &Db, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let sql = "SELECT id, queue, key, attempts, last_error, finished_at FROM jobs WHERE state = 'dead' ORDER BY id LIMIT $1";
    db.fetch_all(sql, &[&limit]).await
}

/// Puts a dead letter back in its queue, with its attempts at 0. False if there is none such.
///
/// # Errors
/// What the database says.
pub async fn replay(db: &Db, queue: &str, id: EventId) -> Result<bool, Error> {
    let sql = "UPDATE jobs SET state = 'ready', attempts = 0, run_at = $3, finished_at = NULL \
        WHERE queue = $1 AND id = $2 AND state = 'dead'";
    let mut tx = db.begin().await?;
    let now = tx.clock().now();
    let changed = tx.execute(sql, &[&queue, &id, &now]).await?;
    tx.signal();
    tx.commit().await?;
    Ok(changed == 1)
}

/// How much is waiting.
///
/// # Errors
/// What the database says.
pub async fn stats(db: &Db) -> Result<QueueStats, Error> {
    let sql = "SELECT (SELECT COUNT(*) FROM outbox) AS outbox, \
        (SELECT COUNT(*) FROM jobs WHERE state = 'ready') AS ready, \
        (SELECT COUNT(*) FROM jobs WHERE state = 'running') AS running, \
        (SELECT COUNT(*) FROM jobs WHERE state = 'dead') AS dead";
    db.fetch_one(sql, &[]).await
}
