//! What is done to all objects under a prefix.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Timestamp, UserId};
use uuid::Uuid;

use crate::ids::{BucketId, OperationId};

/// A row of `operations`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct OperationRow {
    pub(crate) id: OperationId,
    pub(crate) bucket_id: BucketId,
    pub(crate) kind: String,
    pub(crate) prefix: String,
    pub(crate) to_bucket_id: Option<BucketId>,
    pub(crate) to_prefix: Option<String>,
    pub(crate) forever: bool,
    pub(crate) overwrite: bool,
    pub(crate) done: i64,
    pub(crate) skipped: i64,
    pub(crate) position: Vec<u8>,
    pub(crate) failure: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    /// None once it is finished.
    pub(crate) made_by: Option<UserId>,
    /// The bucket that is changed, and whose place it takes: of a copy, that which it goes to.
    pub(crate) place_id: Option<BucketId>,
}

const COLUMNS: &str = "id, bucket_id, kind, prefix, to_bucket_id, to_prefix, forever, overwrite, done, skipped, position, failure, \
                       created_at, finished_at, made_by, place_id";

/// The operation with this id.
pub(crate) async fn get(db: &Db, id: OperationId) -> Result<Option<OperationRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM operations WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// Writes a new one; false if another one that changes the same bucket is not finished.
pub(crate) async fn insert(tx: &mut Tx, row: &OperationRow) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO operations ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         ON CONFLICT (place_id) WHERE finished_at IS NULL DO NOTHING"
    );
    let params: [&dyn ToValue; 16] = [
        &row.id,
        &row.bucket_id,
        &row.kind,
        &row.prefix,
        &row.to_bucket_id,
        &row.to_prefix,
        &row.forever,
        &row.overwrite,
        &row.done,
        &row.skipped,
        &row.position,
        &row.failure,
        &row.created_at,
        &row.finished_at,
        &row.made_by,
        &row.place_id,
    ];
    Ok(tx.execute(&sql, &params).await? > 0)
}

/// Notes how far it has come from where it was `seen`; false if it is further already, or gone.
pub(crate) async fn save(tx: &mut Tx, row: &OperationRow, seen: &OperationRow) -> Result<bool, Error> {
    let sql = "UPDATE operations SET done = $2, skipped = $3, position = $4, failure = $5, finished_at = $6, made_by = $8 \
               WHERE id = $1 AND position = $7 AND finished_at IS NULL";
    let made_by = row.made_by.filter(|_| row.finished_at.is_none());
    let params: [&dyn ToValue; 8] = [
        &row.id,
        &row.done,
        &row.skipped,
        &row.position,
        &row.failure,
        &row.finished_at,
        &seen.position,
        &made_by,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Deletes those of a bucket.
pub(crate) async fn delete_of(tx: &mut Tx, bucket: BucketId) -> Result<(), Error> {
    tx.execute("DELETE FROM operations WHERE bucket_id = $1", &[&bucket])
        .await
        .map(drop)
}

/// Deletes at most so many that were finished before a time; how many there were.
pub(crate) async fn delete_finished(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM operations WHERE id IN (SELECT id FROM operations WHERE finished_at IS NOT NULL AND finished_at < $1 \
               ORDER BY finished_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}

/// Ids of at most so many unfinished ones that a person began until a time.
const MADE_BY: &str = "SELECT id FROM operations WHERE finished_at IS NULL AND (made_by, id) >= ($1, $2) \
                       AND (made_by, id) <= ($1, $3) AND created_at <= $4 ORDER BY made_by, id LIMIT $5";

/// Ends at most so many unfinished ones that this person began until a time, and returns them.
pub(crate) async fn stop_made_by(
    tx: &mut Tx,
    user: UserId,
    until: Timestamp,
    (failure, now): (&str, Timestamp),
    limit: u32,
) -> Result<Vec<OperationRow>, Error> {
    let sql = format!(
        "UPDATE operations SET failure = $6, finished_at = $7, made_by = NULL WHERE id IN ({MADE_BY}) RETURNING {COLUMNS}"
    );
    let (first, last) = (Uuid::nil(), Uuid::max());
    let params: [&dyn ToValue; 7] = [&user, &first, &last, &until, &limit, &failure, &now];
    tx.fetch_all(&sql, &params).await
}

/// Takes the name of a person off at most so many unfinished ones; how many there were.
pub(crate) async fn unname(tx: &mut Tx, user: UserId, limit: u32) -> Result<u64, Error> {
    let sql = format!("UPDATE operations SET made_by = NULL WHERE id IN ({MADE_BY})");
    let params: [&dyn ToValue; 5] = [&user, &Uuid::nil(), &Uuid::max(), &Timestamp::MAX, &limit];
    tx.execute(&sql, &params).await
}
