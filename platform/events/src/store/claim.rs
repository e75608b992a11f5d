//! Taking jobs to run.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use stoa_db::{Db, Engine, Error, FromRow, ToValue, Tx};
use stoa_kernel::Timestamp;
use uuid::Uuid;

use super::{
    Claimed,
    behind::{self, Key, none_before},
};
use crate::EventId;

/// Ids of one statement, at most.
pub(super) const IDS: usize = 32;
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

/// What a claim has found.
pub(crate) struct Found {
    /// To be run.
    pub(crate) claimed: Vec<Claimed>,
    /// The keys of what may not run yet and was put behind.
    pub(crate) behind: BTreeSet<Key>,
    /// Whether there may be more.
    pub(crate) more: bool,
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
    Ok(find(db, worker, lease, shares, most).await?.claimed)
}

/// As [`claim`]. What is read and may not run is put behind the one before it, so that the next claim does not read it again.
pub(crate) async fn find(
    db: &Db,
    worker: Uuid,
    lease: Duration,
    shares: &[Share<'_>],
    most: usize,
) -> Result<Found, Error> {
    let limits: Vec<i64> = shares.iter().map(|share| limit(share.most)).collect();
    let limit_of_all = limit(most);
    let mut params: Vec<&dyn ToValue> = vec![&limit_of_all];
    for (share, limit) in shares.iter().zip(&limits) {
        params.push(&share.queue);
        params.push(limit);
    }
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let seen: Vec<(String, EventId, bool)> = tx.fetch_all(&heads_sql(shares.len()), &params).await?;
    let mut found = Found {
        claimed: Vec::new(),
        behind: BTreeSet::new(),
        more: seen.len() >= most,
    };
    for share in shares {
        let of = |wanted: bool| {
            let of_queue = seen
                .iter()
                .filter(|(queue, _, free)| queue == share.queue && *free == wanted);
            of_queue.map(|(_, id, _)| *id).collect::<Vec<_>>()
        };
        found
            .claimed
            .extend(take(&mut tx, worker, lease, share.queue, &of(true)).await?);
        found
            .behind
            .extend(behind::put(&mut tx, share.queue, &of(false)).await?);
    }
    tx.commit().await?;
    found.claimed.sort_unstable_by_key(|job| (-job.priority, job.id));
    Ok(found)
}

/// Takes these jobs of a queue.
async fn take(
    tx: &mut Tx,
    worker: Uuid,
    lease: Duration,
    queue: &str,
    ids: &[EventId],
) -> Result<Vec<Claimed>, Error> {
    let (until, mut taken) = (tx.clock().after(lease), Vec::with_capacity(ids.len()));
    for ids in ids.chunks(IDS) {
        let sql = format!(
            "UPDATE jobs SET state = 'running', lease = $1, lease_until = $2, claims = claims + 1, behind = FALSE WHERE {} RETURNING {COLUMNS}",
            among(ids.len(), 3)
        );
        let params: [&dyn ToValue; 2] = [&worker, &until];
        let params: Vec<_> = params.into_iter().chain(pairs(&queue, ids)).collect();
        taken.extend(tx.fetch_all::<Claimed>(&sql, &params).await?);
    }
    Ok(taken)
}

/// That a row is one of `count`, whose queue and id are the parameters from `first` on. Each is looked up by itself: PostgreSQL takes
/// the condition that always holds for one that seldom does, and so expects a single row, whatever it believes of the table's size.
pub(super) fn among(count: usize, first: usize) -> String {
    let mut rows = String::new();
    for at in 0..count {
        let comma = if at == 0 { "" } else { ", " };
        let (queue, id) = (first + 2 * at, first + 2 * at + 1);
        let _ = write!(rows, "{comma}(${queue}, ${id})");
    }
    format!(
        "(queue, id) IN (SELECT column1, column2 FROM (VALUES {rows}) AS v WHERE NULLIF(column2, column2) IS NULL)"
    )
}

/// The parameters of [`among`].
pub(super) fn pairs<'a>(queue: &'a &'a str, ids: &'a [EventId]) -> impl Iterator<Item = &'a dyn ToValue> {
    ids.iter().flat_map(move |id| [queue as &dyn ToValue, id])
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// The next jobs, and of each whether it may run. Each queue is read in the order of its index, up to its limit, and the scalar
/// subqueries stay as they are written, where NOT EXISTS would become a join of the whole table. They are not taken by the same
/// statement: PostgreSQL would join what was found with a table, and how depends on how large it believes that table to be.
fn heads_sql(queues: usize) -> String {
    let (mut heads, free) = (String::new(), none_before());
    for number in 0..queues {
        let (queue, most) = (2 + 2 * number, 3 + 2 * number);
        let union = if number == 0 { "" } else { " UNION ALL " };
        let _ = write!(
            heads,
            "{union}SELECT queue, id, priority, free FROM (SELECT j.queue, j.id, j.priority, ({free}) AS free FROM jobs j \
             WHERE j.queue = ${queue} AND j.state = 'ready' ORDER BY j.priority DESC, j.id LIMIT ${most}) AS q{number}",
        );
    }
    format!("SELECT queue, id, free FROM ({heads}) AS heads ORDER BY priority DESC, id LIMIT $1")
}

/// Of the key of `j` none is in this state. Both conditions on `key` and `state` repeat that of the index, for SQLite to see
/// that it serves.
///
/// Of what runs it does not matter whether its id is greater: a dead letter that was put back, or a row that was committed late,
/// comes before one that runs already.
pub(super) fn none_of_key(state: &str, earlier: &str) -> String {
    format!(
        "(SELECT 1 FROM jobs e WHERE e.queue = j.queue AND e.key = j.key AND e.state = '{state}' \
         AND e.state IN ('ready', 'waiting', 'suspect', 'running') AND e.key IS NOT NULL {earlier} LIMIT 1) IS NULL"
    )
}

/// On PostgreSQL: one claim at a time, for of two that overlap the second would not see what the first holds of a key; the lock
/// is the schema's own, so services do not wait for one another. And plans as by [`plan_by_index`].
pub(super) async fn prepare(tx: &mut Tx) -> Result<(), Error> {
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

/// What waits, whatever its queue.
#[derive(FromRow)]
pub(crate) struct Waiting {
    /// When the next one is due.
    pub(crate) run_at: Option<Timestamp>,
    /// Whether any is behind another.
    pub(crate) behind: bool,
}

pub(crate) async fn waiting(db: &Db) -> Result<Waiting, Error> {
    let behind = db.engine().by_index("jobs", "jobs_behind");
    let sql = format!(
        "SELECT (SELECT run_at FROM jobs WHERE state = 'waiting' AND NOT behind ORDER BY run_at LIMIT 1) AS run_at, \
         (SELECT id FROM {behind} WHERE state = 'waiting' AND behind ORDER BY queue, key, id LIMIT 1) IS NOT NULL AS behind"
    );
    db.fetch_one(&sql, &[]).await
}

/// Makes ready what has waited until `now`: the oldest, a bounded number.
pub(crate) async fn promote(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let sql = "WITH due AS MATERIALIZED (SELECT queue, id FROM jobs WHERE state = 'waiting' AND NOT behind AND run_at <= $1 ORDER BY run_at LIMIT $2) \
        UPDATE jobs SET state = 'ready' WHERE (queue, id) IN (SELECT queue, id FROM due)";
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
    let far = format!(
        "FROM {} WHERE state = 'waiting' AND NOT behind AND attempts > 0 AND run_at > $1 ORDER BY run_at",
        db.engine().by_index("jobs", "jobs_again")
    );
    let some = format!("SELECT run_at {far} LIMIT 1");
    if db.fetch_optional::<Timestamp>(&some, &[&latest]).await?.is_none() {
        return Ok(0);
    }
    let sql = format!(
        "WITH far AS MATERIALIZED (SELECT queue, id {far} LIMIT $2) \
         UPDATE jobs SET state = 'ready' WHERE (queue, id) IN (SELECT queue, id FROM far)"
    );
    let mut tx = db.begin().await?;
    prepare(&mut tx).await?;
    let recalled = tx.execute(&sql, &[&latest, &PROMOTED]).await?;
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
        WHERE state IN ('ready', 'suspect', 'running') OR (state = 'waiting' AND (behind OR run_at <= $1)) GROUP BY queue ORDER BY queue";
    db.fetch_all(sql, &[&db.clock().now()]).await
}

/// Whether nothing is to be handed on, runs, or is due: by one statement, for work moves between the three. For tests.
pub(crate) async fn idle(db: &Db) -> Result<bool, Error> {
    let sql = "SELECT (SELECT COUNT(*) FROM outbox) + (SELECT COUNT(*) FROM jobs WHERE state IN ('ready', 'suspect', 'running')) \
        + (SELECT COUNT(*) FROM jobs WHERE state = 'waiting' AND behind) \
        + (SELECT COUNT(*) FROM jobs WHERE state = 'waiting' AND NOT behind AND run_at <= $1)";
    let now = db.clock().now();
    Ok(db.fetch_one::<i64>(sql, &[&now]).await? == 0)
}
