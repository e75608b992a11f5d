//! Taking jobs to run.

use std::{fmt::Write, time::Duration};

use stoa_db::{Db, Engine, Error, FromRow, ToValue, Tx};
use stoa_kernel::Timestamp;
use uuid::Uuid;

use super::Claimed;

/// Jobs that one transaction makes ready.
const PROMOTED: i64 = 256;

const BY_INDEX: &str = "set_config('plan_cache_mode', 'force_custom_plan', true), \
    set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true)";

const COLUMNS: &str =
    "queue, id, key, priority, payload, source, time, traceparent, attempts, claims, crashes";

/// How many jobs of one queue a claim may take.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// Whose jobs.
    pub queue: &'a str,
    /// At most.
    pub most: usize,
}

/// Takes up to `most` jobs that may run now, no more of each queue than its share. Of one key and queue only if none runs, and
/// none before them waits; several of one key may come together, to be run in order.
///
/// # Errors
/// What the database says.
pub async fn claim(
    db: &Db,
    worker: Uuid,
    lease: Duration,
    shares: &[Share<'_>],
    most: usize,
) -> Result<Vec<Claimed>, Error> {
    let sql = claim_sql(shares.len());
    let (until, most) = (db.clock().after(lease), limit(most));
    let limits: Vec<i64> = shares.iter().map(|share| limit(share.most)).collect();
    let mut params: Vec<&dyn ToValue> = vec![&worker, &until, &most];
    for (share, limit) in shares.iter().zip(&limits) {
        params.push(&share.queue);
        params.push(limit);
    }
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let mut claimed: Vec<Claimed> = tx.fetch_all(&sql, &params).await?;
    tx.commit().await?;
    claimed.sort_unstable_by_key(|job| (-job.priority, job.id));
    Ok(claimed)
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// Scalar subqueries and a materialised list stay as they are written, where NOT EXISTS and IN would become joins of the whole
/// table. Each queue is read in the order of its index, up to its limit.
fn claim_sql(queues: usize) -> String {
    let mut heads = String::new();
    for number in 0..queues {
        let (queue, most) = (4 + 2 * number, 5 + 2 * number);
        let union = if number == 0 { "" } else { " UNION ALL " };
        let _ = write!(
            heads,
            "{union}SELECT queue, id, priority FROM (SELECT j.queue, j.id, j.priority FROM jobs j \
             WHERE j.queue = ${queue} AND j.state = 'ready' AND {} AND {} AND {} \
             ORDER BY j.priority DESC, j.id LIMIT ${most}) AS q{number}",
            none_of_key("running", ""),
            none_of_key("waiting", "AND e.id < j.id"),
            none_of_key("suspect", "AND e.id < j.id"),
        );
    }
    format!(
        "WITH picked AS MATERIALIZED (SELECT queue, id FROM ({heads}) AS heads ORDER BY priority DESC, id LIMIT $3) \
         UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, claims = claims + 1 \
         WHERE (queue, id) IN (SELECT queue, id FROM picked) RETURNING {COLUMNS}"
    )
}

/// Of the key of `j` none is in this state. Both conditions on `key` and `state` repeat that of the index, for SQLite to see
/// that it serves.
///
/// Of what runs it does not matter whether its id is greater: a dead letter that was put back, or a row that was committed late,
/// comes before one that runs already.
fn none_of_key(state: &str, earlier: &str) -> String {
    format!(
        "(SELECT 1 FROM jobs e WHERE e.queue = j.queue AND e.key = j.key AND e.state = '{state}' \
         AND e.state IN ('ready', 'waiting', 'suspect', 'running') AND e.key IS NOT NULL {earlier} LIMIT 1) IS NULL"
    )
}

/// On PostgreSQL: one claim at a time, for of two that overlap the second would not see what the first holds of a key; the lock
/// is the schema's own, so services do not wait for one another. And plans as by [`plan_by_index`].
async fn prepare(tx: &mut Tx) -> Result<(), Error> {
    if tx.engine() == Engine::Postgres {
        let lock = "CAST(pg_advisory_xact_lock(hashtext(current_schema()), 1) AS TEXT)";
        tx.fetch_one::<()>(&format!("SELECT {lock}, {BY_INDEX}"), &[])
            .await?;
    }
    Ok(())
}

/// On PostgreSQL has this transaction read rows in the order of their index, up to the limit, whatever the table was like when it
/// was last analysed or when this connection first made a plan.
pub(crate) async fn plan_by_index(tx: &mut Tx) -> Result<(), Error> {
    if tx.engine() == Engine::Postgres {
        tx.fetch_one::<()>(&format!("SELECT {BY_INDEX}"), &[]).await?;
    }
    Ok(())
}

/// The queues among these that have something ready, without taking it: a look costs no transaction.
pub(crate) async fn due_queues(db: &Db, queues: &[&str]) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT q.column1 FROM (VALUES {}) AS q WHERE \
         (SELECT j.priority FROM jobs j WHERE j.queue = q.column1 AND j.state = 'ready' ORDER BY j.priority DESC, j.id LIMIT 1) IS NOT NULL",
        values(queues.len())
    );
    let params: Vec<&dyn ToValue> = queues.iter().map(|queue| queue as &dyn ToValue).collect();
    db.fetch_all(&sql, &params).await
}

fn values(count: usize) -> String {
    let rows: Vec<_> = (1..=count)
        .map(|number| format!("(CAST(${number} AS TEXT))"))
        .collect();
    rows.join(", ")
}

/// When the next waiting job is due, whatever its queue.
pub(crate) async fn next_run_at(db: &Db) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT run_at FROM jobs WHERE state = 'waiting' ORDER BY run_at LIMIT 1";
    db.fetch_optional(sql, &[]).await
}

/// Makes ready what has waited until now: the oldest, a bounded number.
pub(crate) async fn promote(db: &Db) -> Result<u64, Error> {
    let sql = "WITH due AS MATERIALIZED (SELECT queue, id FROM jobs WHERE state = 'waiting' AND run_at <= $1 ORDER BY run_at LIMIT $2) \
        UPDATE jobs SET state = 'ready' WHERE (queue, id) IN (SELECT queue, id FROM due)";
    let now = db.clock().now();
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let promoted = tx.execute(sql, &[&now, &PROMOTED]).await?;
    tx.commit().await?;
    Ok(promoted)
}

/// Makes ready, a bounded number at a time, attempts that are to be made again later than any pause is long: the clock was ahead
/// when they failed. `longest` is the longest pause of a handler.
pub(crate) async fn recall_far_retries(db: &Db, longest: Duration) -> Result<u64, Error> {
    let latest = db.clock().after(longest);
    let some =
        "SELECT CAST(1 AS BIGINT) FROM jobs WHERE state = 'waiting' AND run_at > $1 AND attempts > 0 LIMIT 1";
    if db.fetch_optional::<i64>(some, &[&latest]).await?.is_none() {
        return Ok(0);
    }
    let sql = "WITH far AS MATERIALIZED (SELECT queue, id FROM jobs WHERE state = 'waiting' AND run_at > $1 AND attempts > 0 LIMIT $2) \
        UPDATE jobs SET state = 'ready' WHERE (queue, id) IN (SELECT queue, id FROM far)";
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let recalled = tx.execute(sql, &[&latest, &PROMOTED]).await?;
    tx.signal();
    tx.commit().await?;
    Ok(recalled)
}

/// The queues among these that have a job to be run alone.
pub(crate) async fn suspects(db: &Db, queues: &[&str]) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT q.column1 FROM (VALUES {}) AS q WHERE \
         (SELECT 1 FROM jobs j WHERE j.queue = q.column1 AND j.state = 'suspect' ORDER BY j.id LIMIT 1) IS NOT NULL",
        values(queues.len())
    );
    let params: Vec<&dyn ToValue> = queues.iter().map(|queue| queue as &dyn ToValue).collect();
    db.fetch_all(&sql, &params).await
}

/// Takes the first job of a queue that is to run alone, if none of its key stands before it.
pub(crate) async fn claim_suspect(
    db: &Db,
    worker: Uuid,
    lease: Duration,
    queue: &str,
) -> Result<Option<Claimed>, Error> {
    let sql = format!(
        "WITH picked AS MATERIALIZED (SELECT j.queue, j.id FROM jobs j WHERE j.queue = $3 AND j.state = 'suspect' AND {} AND {} AND {} AND {} \
         ORDER BY j.id LIMIT 1) \
         UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, claims = claims + 1 \
         WHERE (queue, id) IN (SELECT queue, id FROM picked) RETURNING {COLUMNS}",
        none_of_key("running", ""),
        none_of_key("waiting", "AND e.id < j.id"),
        none_of_key("ready", "AND e.id < j.id"),
        none_of_key("suspect", "AND e.id < j.id"),
    );
    let until = db.clock().after(lease);
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let claimed = tx.fetch_optional(&sql, &[&worker, &until, &queue]).await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Work of one queue that is not done. For tests.
#[derive(Debug, FromRow)]
pub(crate) struct Unfinished {
    pub(crate) queue: String,
    pub(crate) jobs: i64,
    pub(crate) last_error: Option<String>,
}

/// The queues that keep a service from being [`idle`], with one of their errors. For tests.
pub(crate) async fn unfinished(db: &Db) -> Result<Vec<Unfinished>, Error> {
    let sql = "SELECT queue, COUNT(*) AS jobs, MAX(last_error) AS last_error FROM jobs \
        WHERE state IN ('ready', 'suspect', 'running') OR (state = 'waiting' AND run_at <= $1) GROUP BY queue ORDER BY queue";
    db.fetch_all(sql, &[&db.clock().now()]).await
}

/// Whether nothing is to be handed on, runs, or is due: by one statement, for work moves between the three. For tests.
pub(crate) async fn idle(db: &Db) -> Result<bool, Error> {
    let sql = "SELECT (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM jobs WHERE state IN ('ready', 'suspect', 'running')) \
        + (SELECT COUNT(*) FROM jobs WHERE state = 'waiting' AND run_at <= $1)";
    let now = db.clock().now();
    Ok(db.fetch_one::<i64>(sql, &[&now]).await? == 0)
}
