//! What an operator looks at, and what they can do about it.

use serde::Serialize;
use stoa_db::{Db, Error, FromRow};
use stoa_kernel::Timestamp;

use crate::{EventId, aside};

/// Most of each that is counted: a count must not cost more the more there is.
const MOST_COUNTED: i64 = 100_000;

/// Work whose last attempt failed.
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
    /// When its last attempt failed.
    pub finished_at: Option<Timestamp>,
}

/// Counts for health and metrics; of each, 100,000 at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromRow)]
pub struct QueueStats {
    /// Events that not every subscriber has yet.
    pub outbox: i64,
    /// Work to be done, now or later.
    pub ready: i64,
    /// Work being done.
    pub running: i64,
    /// Dead letters.
    pub dead: i64,
}

/// Dead letters, oldest first; of one queue, or of all.
///
/// # Errors
/// What the database says.
pub async fn dead_letters(db: &Db, queue: Option<&str>, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let sql = "SELECT id, queue, key, attempts, last_error, finished_at FROM jobs \
        WHERE state = 'dead' AND (CAST($1 AS TEXT) IS NULL OR queue = $1) ORDER BY finished_at, id LIMIT $2";
    db.fetch_all(sql, &[&queue, &limit]).await
}

/// Puts a dead letter back in its queue, with its attempts at 0; an event that the bus had refused, in the outbox. False if there
/// is none such, or if it is no work at all: a message that was no event.
///
/// # Errors
/// What the database says.
pub async fn replay(db: &Db, queue: &str, id: EventId) -> Result<bool, Error> {
    let mut tx = db.begin().await?;
    let replayed = if aside::is_aside(queue) {
        aside::replay(&mut tx, queue, id).await?
    } else {
        let sql = "UPDATE jobs SET state = 'ready', attempts = 0, crashes = 0, run_at = $3, finished_at = NULL \
            WHERE queue = $1 AND id = $2 AND state = 'dead'";
        let now = tx.clock().now();
        tx.execute(sql, &[&queue, &id, &now]).await? == 1
    };
    tx.signal();
    tx.commit().await?;
    Ok(replayed)
}

/// Deletes a dead letter. False if there is none such.
///
/// # Errors
/// What the database says.
pub async fn drop_dead(db: &Db, queue: &str, id: EventId) -> Result<bool, Error> {
    let sql = "DELETE FROM jobs WHERE queue = $1 AND id = $2 AND state = 'dead'";
    Ok(db.execute(sql, &[&queue, &id]).await? == 1)
}

/// How much is waiting.
///
/// # Errors
/// What the database says.
pub async fn stats(db: &Db) -> Result<QueueStats, Error> {
    let sql = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM outbox LIMIT $1) AS o) AS outbox, \
        (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'ready' LIMIT $1) AS r) \
        + (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'waiting' AND NOT behind LIMIT $1) AS w) \
        + (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'waiting' AND behind LIMIT $1) AS b) \
        + (SELECT COUNT(*) FROM jobs WHERE state = 'suspect') AS ready, \
        (SELECT COUNT(*) FROM jobs WHERE state = 'running') AS running, \
        (SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'dead' LIMIT $1) AS d) AS dead";
    db.fetch_one(sql, &[&MOST_COUNTED]).await
}
