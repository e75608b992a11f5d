//! The SQL of outbox and jobs.

use std::{fmt::Write, sync::Arc, time::Duration};

use stoa_db::{Db, Engine, Error, FromRow, ToValue, Tx};
use stoa_kernel::Timestamp;
use uuid::Uuid;

use crate::EventId;

/// Rows of one INSERT, at most. Each number of rows is a prepared statement of its own.
const INSERT_ROWS: usize = 24;
/// Ids of one DELETE; fewer are filled up with the last one, so that there is one statement.
const DELETE_IDS: usize = 64;

/// An event on its way out.
#[derive(Clone, Debug, FromRow)]
pub struct OutboxRow {
    pub(crate) id: EventId,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) data: String,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<String>,
}

/// A row for `outbox`.
pub(crate) struct NewEvent<'a> {
    pub(crate) id: EventId,
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
    pub(crate) data: &'a str,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<&'a str>,
}

/// A row for `jobs`.
pub(crate) struct NewJob<'a> {
    pub(crate) queue: &'a str,
    pub(crate) id: EventId,
    pub(crate) key: Option<&'a str>,
    pub(crate) priority: i16,
    pub(crate) payload: &'a str,
    pub(crate) source: &'a str,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) run_at: Timestamp,
}

/// A job that this worker holds until its lease is over.
#[derive(Clone, Debug, FromRow)]
pub struct Claimed {
    pub(crate) queue: String,
    pub(crate) id: EventId,
    pub(crate) key: Option<String>,
    pub(crate) priority: i16,
    pub(crate) payload: String,
    pub(crate) source: String,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<String>,
    /// Counted with this attempt.
    pub(crate) attempts: u32,
}

pub(crate) async fn insert_outbox(tx: &mut Tx, event: &NewEvent<'_>) -> Result<(), Error> {
    let NewEvent {
        id,
        name,
        key,
        data,
        time,
        traceparent,
    } = event;
    let sql = "INSERT INTO outbox (id, name, key, data, time, traceparent) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute(sql, &[id, name, key, data, time, traceparent])
        .await
        .map(drop)
}

pub(crate) async fn read_outbox(db: &Db, most: u32) -> Result<Vec<OutboxRow>, Error> {
    db.fetch_all(
        "SELECT id, name, key, data, time, traceparent FROM outbox ORDER BY id LIMIT $1",
        &[&most],
    )
    .await
}

pub(crate) async fn delete_outbox(tx: &mut Tx, ids: &[EventId]) -> Result<(), Error> {
    let sql = format!("DELETE FROM outbox WHERE id IN ({})", placeholders(1, DELETE_IDS));
    for chunk in ids.chunks(DELETE_IDS) {
        let padded = (0..DELETE_IDS).filter_map(|at| chunk.get(at).or(chunk.last()));
        let params: Vec<&dyn ToValue> = padded.map(|id| id as &dyn ToValue).collect();
        tx.execute(&sql, &params).await?;
    }
    Ok(())
}

/// Inserts what is not there yet: an event that arrives again for a subscription changes nothing.
pub(crate) async fn insert_jobs(tx: &mut Tx, jobs: &[NewJob<'_>]) -> Result<(), Error> {
    const COLUMNS: usize = 9;
    for chunk in jobs.chunks(INSERT_ROWS) {
        let mut sql = "INSERT INTO jobs (queue, id, key, priority, payload, source, time, traceparent, run_at, state, attempts) VALUES ".to_owned();
        for row in 0..chunk.len() {
            let comma = if row == 0 { "" } else { ", " };
            let _ = write!(
                sql,
                "{comma}({}, 'ready', 0)",
                placeholders(row * COLUMNS + 1, COLUMNS)
            );
        }
        sql.push_str(" ON CONFLICT (queue, id) DO NOTHING");
        let mut params: Vec<&dyn ToValue> = Vec::with_capacity(chunk.len() * COLUMNS);
        for job in chunk {
            let row: [&dyn ToValue; COLUMNS] = [
                &job.queue,
                &job.id,
                &job.key,
                &job.priority,
                &job.payload,
                &job.source,
                &job.time,
                &job.traceparent,
                &job.run_at,
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

fn placeholders(first: usize, count: usize) -> String {
    let numbers: Vec<_> = (first..first + count)
        .map(|number| format!("${number}"))
        .collect();
    numbers.join(", ")
}

/// Takes up to `most` jobs that may run now. Of one key and queue only if none runs, and none before them waits for its
/// time; several of one key may come together, to be run in order.
///
/// # Errors
/// What the database says.
pub async fn claim(db: &Db, worker: Uuid, lease: Duration, most: usize) -> Result<Vec<Claimed>, Error> {
    // Whatever its id: a dead letter that was put back, or a row that was committed late, comes before one that runs already.
    // Both conditions on `key` and `state` repeat that of the index, for SQLite to see that it serves. Scalar subqueries and
    // a materialised list stay as they are written, where NOT EXISTS and IN would become joins of the whole table.
    let sql = "\
        WITH picked AS MATERIALIZED ( \
            SELECT j.queue, j.id FROM jobs j \
            WHERE j.state = 'ready' AND j.run_at <= $3 AND ( \
                SELECT 1 FROM jobs r WHERE r.queue = j.queue AND r.key = j.key AND r.state = 'running' \
                    AND r.state IN ('ready', 'running') AND r.key IS NOT NULL LIMIT 1) IS NULL \
            AND ( \
                SELECT 1 FROM jobs e WHERE e.queue = j.queue AND e.key = j.key AND e.state = 'ready' \
                    AND e.state IN ('ready', 'running') AND e.key IS NOT NULL AND e.id < j.id AND e.run_at > $3 \
                LIMIT 1) IS NULL \
            ORDER BY j.priority DESC, j.id LIMIT $4) \
        UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, attempts = attempts + 1 \
        WHERE (queue, id) IN (SELECT queue, id FROM picked) \
        RETURNING queue, id, key, priority, payload, source, time, traceparent, attempts";
    let (now, until) = (db.clock().now(), db.clock().after(lease));
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut tx = db.begin().await?;
    if tx.engine() == Engine::Postgres {
        // One claim at a time: of two that overlap, the second would not see what the first holds of a key.
        // The lock is the schema's own, so services do not wait for one another.
        // The rest has the rows read in the order of their index, up to the limit, whatever the table was like when it was
        // last analysed or when this connection first made a plan.
        tx.fetch_one::<()>(
            "SELECT CAST(pg_advisory_xact_lock(hashtext(current_schema()), 1) AS TEXT), \
                set_config('plan_cache_mode', 'force_custom_plan', true), \
                set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)",
            &[],
        )
        .await?;
    }
    let mut claimed: Vec<Claimed> = tx.fetch_all(sql, &[&worker, &until, &now, &most]).await?;
    tx.commit().await?;
    claimed.sort_unstable_by_key(|job| (-job.priority, job.id));
    Ok(claimed)
}

/// Whether something is ready now, without taking it: a look costs no transaction.
pub(crate) async fn is_due(db: &Db) -> Result<bool, Error> {
    let sql = "SELECT CAST(1 AS BIGINT) FROM jobs WHERE state = 'ready' AND run_at <= $1 LIMIT 1";
    let now = db.clock().now();
    Ok(db.fetch_optional::<i64>(sql, &[&now]).await?.is_some())
}

/// When the next job is ready.
pub(crate) async fn next_run_at(db: &Db) -> Result<Option<Timestamp>, Error> {
    db.fetch_one("SELECT MIN(run_at) FROM jobs WHERE state = 'ready'", &[])
        .await
}

/// Whether nothing is to be handed on, runs, or is due: by one statement, for work moves between the three.
pub(crate) async fn idle(db: &Db) -> Result<bool, Error> {
    let sql = "SELECT (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM jobs WHERE state = 'running') \
        + (SELECT COUNT(*) FROM jobs WHERE state = 'ready' AND run_at <= $1)";
    let now = db.clock().now();
    Ok(db.fetch_one::<i64>(sql, &[&now]).await? == 0)
}

/// Marks a job done; false if `worker` no longer holds this attempt.
pub(crate) async fn finish(tx: &mut Tx, job: &Claimed, worker: Uuid) -> Result<bool, Error> {
    // What it was about is not kept: it may be personal.
    let sql = "UPDATE jobs SET state = 'done', payload = '', lease = NULL, lease_until = NULL, last_error = NULL, finished_at = $5 \
        WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND attempts = $4";
    let now = tx.clock().now();
    Ok(tx
        .execute(sql, &[&job.queue, &job.id, &worker, &job.attempts, &now])
        .await?
        == 1)
}

/// Notes a failed attempt: to be made again at `again`, or a dead letter.
pub(crate) async fn fail(
    db: &Db,
    job: &Claimed,
    worker: Uuid,
    error: &str,
    again: Option<Timestamp>,
) -> Result<(), Error> {
    let sql = "UPDATE jobs SET state = $5, run_at = $6, last_error = $7, finished_at = $8, lease = NULL, lease_until = NULL \
        WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND attempts = $4";
    let now = db.clock().now();
    let (state, finished) = if again.is_some() {
        ("ready", None)
    } else {
        ("dead", Some(now))
    };
    let run_at = again.unwrap_or(now);
    let params: [&dyn ToValue; 8] = [
        &job.queue,
        &job.id,
        &worker,
        &job.attempts,
        &state,
        &run_at,
        &error,
        &finished,
    ];
    db.execute(sql, &params).await.map(drop)
}

/// Gives back a job that was claimed and not begun: the attempt does not count.
pub(crate) async fn release(db: &Db, job: &Claimed, worker: Uuid) -> Result<(), Error> {
    let sql = "UPDATE jobs SET state = 'ready', attempts = attempts - 1, lease = NULL, lease_until = NULL \
        WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND attempts = $4";
    db.execute(sql, &[&job.queue, &job.id, &worker, &job.attempts])
        .await
        .map(drop)
}

/// Holds on to jobs for longer.
pub(crate) async fn renew(
    db: &Db,
    jobs: &[Arc<Claimed>],
    worker: Uuid,
    lease: Duration,
) -> Result<(), Error> {
    let sql = "UPDATE jobs SET lease_until = $5 WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND attempts = $4";
    let until = db.clock().after(lease);
    let mut tx = db.begin().await?;
    for job in jobs {
        tx.execute(sql, &[&job.queue, &job.id, &worker, &job.attempts, &until])
            .await?;
    }
    tx.commit().await
}

/// Makes ready again whatever runs under a lease that is over; with `all`, whatever runs.
///
/// # Errors
/// What the database says.
pub async fn release_all(db: &Db, all: bool) -> Result<u64, Error> {
    let now = db.clock().now();
    let running: i64 = db
        .fetch_one(
            "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND (lease_until < $1 OR $2)",
            &[&now, &all],
        )
        .await?;
    if running == 0 {
        return Ok(0);
    }
    let sql = "UPDATE jobs SET state = 'ready', lease = NULL, lease_until = NULL WHERE state = 'running' AND (lease_until < $1 OR $2)";
    db.execute(sql, &[&now, &all]).await
}

/// Gives back whatever this worker still holds.
pub(crate) async fn release_worker(db: &Db, worker: Uuid) -> Result<u64, Error> {
    let sql = "UPDATE jobs SET state = 'ready', lease = NULL, lease_until = NULL WHERE state = 'running' AND lease = $1";
    db.execute(sql, &[&worker]).await
}
