//! Jobs that are held: renewed, given back, or taken from those that died.

use std::{sync::Arc, time::Duration};

use stoa_db::{Db, Error, FromRow};
use stoa_kernel::Timestamp;
use uuid::Uuid;

use super::Claimed;
use crate::EventId;

/// A job that some worker holds. A holder that lives changes `lease_until` again and again.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct Holding {
    pub(crate) queue: String,
    pub(crate) id: EventId,
    pub(crate) lease: Option<Uuid>,
    pub(crate) lease_until: Option<Timestamp>,
    pub(crate) claims: i64,
}

/// The state of a job that is given back: it runs alone once this many processes have died while they held it.
macro_rules! ready_or_suspect {
    ($crashes:literal) => {
        concat!("CASE WHEN ", $crashes, " >= 3 THEN 'suspect' ELSE 'ready' END")
    };
}

/// All that is held, by whomever.
pub(crate) async fn running(db: &Db) -> Result<Vec<Holding>, Error> {
    let sql = "SELECT queue, id, lease, lease_until, claims FROM jobs WHERE state = 'running'";
    db.fetch_all(sql, &[]).await
}

/// Takes jobs from a holder that has died; what has changed meanwhile stays as it is. Returns how many were taken.
pub(crate) async fn release_lost(db: &Db, lost: &[Holding]) -> Result<u64, Error> {
    let sql = concat!(
        "UPDATE jobs SET crashes = crashes + 1, lease = NULL, lease_until = NULL, state = ",
        ready_or_suspect!("crashes + 1"),
        " WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND lease_until = $4 AND claims = $5"
    );
    let mut released = 0;
    let mut tx = db.begin().await?;
    for one in lost {
        released += tx
            .execute(
                sql,
                &[&one.queue, &one.id, &one.lease, &one.lease_until, &one.claims],
            )
            .await?;
    }
    tx.commit().await?;
    Ok(released)
}

/// Takes everything that is held: nobody else works on this database, so that its holders have died.
///
/// # Errors
/// What the database says.
pub async fn release_all(db: &Db) -> Result<u64, Error> {
    if running(db).await?.is_empty() {
        return Ok(0);
    }
    let sql = concat!(
        "UPDATE jobs SET crashes = crashes + 1, lease = NULL, lease_until = NULL, state = ",
        ready_or_suspect!("crashes + 1"),
        " WHERE state = 'running'"
    );
    db.execute(sql, &[]).await
}

/// Gives back a job that was claimed and not begun.
pub(crate) async fn release(db: &Db, job: &Claimed, worker: Uuid) -> Result<(), Error> {
    let sql = concat!(
        "UPDATE jobs SET lease = NULL, lease_until = NULL, state = ",
        ready_or_suspect!("crashes"),
        " WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND claims = $4"
    );
    db.execute(sql, &[&job.queue, &job.id, &worker, &job.claims])
        .await
        .map(drop)
}

/// Gives back whatever this worker still holds.
pub(crate) async fn release_worker(db: &Db, worker: Uuid) -> Result<u64, Error> {
    let sql = concat!(
        "UPDATE jobs SET lease = NULL, lease_until = NULL, state = ",
        ready_or_suspect!("crashes"),
        " WHERE state = 'running' AND lease = $1"
    );
    db.execute(sql, &[&worker]).await
}

/// Holds on to jobs for longer.
pub(crate) async fn renew(
    db: &Db,
    jobs: &[Arc<Claimed>],
    worker: Uuid,
    lease: Duration,
) -> Result<(), Error> {
    let sql = "UPDATE jobs SET lease_until = $5 WHERE queue = $1 AND id = $2 AND state = 'running' AND lease = $3 AND claims = $4";
    let until = db.clock().after(lease);
    let mut tx = db.begin().await?;
    for job in jobs {
        tx.execute(sql, &[&job.queue, &job.id, &worker, &job.claims, &until])
            .await?;
    }
    tx.commit().await
}
