//! What is done to all objects under a prefix.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::Timestamp;

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
}

const COLUMNS: &str = "id, bucket_id, kind, prefix, to_bucket_id, to_prefix, forever, overwrite, done, skipped, position, failure, \
                       created_at, finished_at";

/// The operation with this id.
pub(crate) async fn get(db: &Db, id: OperationId) -> Result<Option<OperationRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM operations WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// Writes a new one; false if another one of the bucket is not finished.
pub(crate) async fn insert(tx: &mut Tx, row: &OperationRow) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO operations ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (bucket_id) WHERE finished_at IS NULL DO NOTHING"
    );
    let params: [&dyn ToValue; 14] = [
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
    ];
    Ok(tx.execute(&sql, &params).await? > 0)
}

/// Notes how far it has come from where it was `seen`; false if it is further already, or gone.
pub(crate) async fn save(tx: &mut Tx, row: &OperationRow, seen: &OperationRow) -> Result<bool, Error> {
    let sql = "UPDATE operations SET done = $2, skipped = $3, position = $4, failure = $5, finished_at = $6 \
               WHERE id = $1 AND position = $7 AND finished_at IS NULL";
    let params: [&dyn ToValue; 7] = [
        &row.id,
        &row.done,
        &row.skipped,
        &row.position,
        &row.failure,
        &row.finished_at,
        &seen.position,
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
