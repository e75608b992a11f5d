//! New jobs.

use std::{borrow::Cow, fmt::Write};

use stoa_db::{Error, ToValue, Tx};
use stoa_kernel::Timestamp;

use super::placeholders;
use crate::EventId;

/// Rows of one INSERT, at most. Each number of rows is a prepared statement of its own.
const INSERT_ROWS: usize = 24;

/// A row for `jobs`.
pub(crate) struct NewJob<'a> {
    pub(crate) queue: &'a str,
    pub(crate) id: EventId,
    pub(crate) key: Option<&'a str>,
    pub(crate) priority: i16,
    pub(crate) payload: Cow<'a, str>,
    pub(crate) source: &'a str,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<&'a str>,
    /// Ready at once, or to wait until `run_at`.
    pub(crate) waits: bool,
    pub(crate) run_at: Timestamp,
}

/// Inserts what is not there yet: an event that arrives again for a subscription changes nothing.
pub(crate) async fn insert_jobs(tx: &mut Tx, jobs: &[NewJob<'_>]) -> Result<(), Error> {
    const COLUMNS: usize = 10;
    for chunk in jobs.chunks(INSERT_ROWS) {
        let payloads: Vec<_> = chunk.iter().map(|job| &*job.payload).collect();
        let mut sql = "INSERT INTO jobs (queue, id, key, priority, payload, source, time, traceparent, run_at, state, attempts) VALUES ".to_owned();
        for row in 0..chunk.len() {
            let comma = if row == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}({}, 0)", placeholders(row * COLUMNS + 1, COLUMNS));
        }
        sql.push_str(" ON CONFLICT (queue, id) DO NOTHING");
        let mut params: Vec<&dyn ToValue> = Vec::with_capacity(chunk.len() * COLUMNS);
        for (job, payload) in chunk.iter().zip(&payloads) {
            let row: [&dyn ToValue; COLUMNS] = [
                &job.queue,
                &job.id,
                &job.key,
                &job.priority,
                payload,
                &job.source,
                &job.time,
                &job.traceparent,
                &job.run_at,
                if job.waits { &"waiting" } else { &"ready" },
            ];
            params.extend(row);
        }
        tx.execute(&sql, &params).await?;
    }
    Ok(())
}

/// A row that is dead from the beginning, with the reason. One that is there already stays as it is.
#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
pub(crate) async fn insert_dead(
    tx: &mut Tx,
    queue: &str,
    id: EventId,
    key: Option<&str>,
    payload: &str,
    source: &str,
    reason: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO jobs (queue, id, key, priority, state, payload, source, time, run_at, attempts, last_error, finished_at) \
        VALUES ($1, $2, $3, 0, 'dead', $4, $5, $6, $6, 1, $7, $6) ON CONFLICT (queue, id) DO NOTHING";
    let now = tx.clock().now();
    tx.execute(sql, &[&queue, &id, &key, &payload, &source, &now, &reason])
        .await
        .map(drop)
}
