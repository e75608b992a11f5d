//! How an attempt ended.

use stoa_db::{Db, Error, ToValue, Tx};
use stoa_kernel::Timestamp;
use uuid::Uuid;

use super::Claimed;

/// Marks a job done; false if `worker` no longer holds this claim.
pub(crate) async fn finish(tx: &mut Tx, job: &Claimed, worker: Uuid) -> Result<bool, Error> {
    // What it was about is not kept: it may be personal.
    let sql = "UPDATE jobs SET state = 'done', payload = '', lease = NULL, lease_until = NULL, last_error = NULL, finished_at = $5 \
        WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND claims = $4";
    let now = tx.clock().now();
    Ok(tx
        .execute(sql, &[&job.queue, &job.id, &worker, &job.claims, &now])
        .await?
        == 1)
}

/// Leaves a job to be run again at `at`; false if `worker` no longer holds this claim. It ended in
/// order: failures from before no longer count.
pub(crate) async fn postpone(tx: &mut Tx, job: &Claimed, worker: Uuid, at: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE jobs SET state = 'waiting', run_at = $5, attempts = 0, crashes = 0, lease = NULL, lease_until = NULL \
        WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND claims = $4";
    let params: [&dyn ToValue; 5] = [&job.queue, &job.id, &worker, &job.claims, &at];
    Ok(tx.execute(sql, &params).await? == 1)
}

/// What comes after a failed attempt.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    /// Another, then.
    Again(Timestamp),
    /// None: it is a dead letter.
    Dead,
}

/// Notes a failed attempt. It ended, so the process did not die of it.
pub(crate) async fn fail(
    db: &Db,
    job: &Claimed,
    worker: Uuid,
    error: &str,
    outcome: Outcome,
) -> Result<(), Error> {
    let sql = "UPDATE jobs SET state = $5, run_at = $6, last_error = $7, finished_at = $8, attempts = attempts + 1, \
        crashes = 0, lease = NULL, lease_until = NULL \
        WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND claims = $4";
    let now = db.clock().now();
    let (state, run_at, finished) = match outcome {
        Outcome::Again(at) => ("waiting", at, None),
        Outcome::Dead => ("dead", now, Some(now)),
    };
    let params: [&dyn ToValue; 8] = [
        &job.queue,
        &job.id,
        &worker,
        &job.claims,
        &state,
        &run_at,
        &error,
        &finished,
    ];
    db.execute(sql, &params).await.map(drop)
}
