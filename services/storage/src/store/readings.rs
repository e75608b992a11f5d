//! Downloads under way, for which bytes are kept that no version has any more.

use stoa_db::{Db, Error, Tx};
use stoa_kernel::Timestamp;

use crate::ids::{BlobId, ReadingId};

/// Notes that the blob is read, until then at most.
pub(crate) async fn insert(tx: &mut Tx, id: ReadingId, blob: BlobId, until: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO readings (id, blob_id, until) VALUES ($1, $2, $3)";
    tx.execute(sql, &[&id, &blob, &until]).await.map(drop)
}

/// Whether somebody reads the blob.
pub(crate) async fn any(tx: &mut Tx, blob: BlobId, now: Timestamp) -> Result<bool, Error> {
    let sql = "SELECT id FROM readings WHERE blob_id = $1 AND until > $2 LIMIT 1";
    let found: Option<ReadingId> = tx.fetch_optional(sql, &[&blob, &now]).await?;
    Ok(found.is_some())
}

/// Deletes the note of one that has ended.
pub(crate) async fn delete(db: &Db, id: ReadingId) -> Result<(), Error> {
    let sql = "DELETE FROM readings WHERE id = $1";
    db.execute(sql, &[&id]).await.map(drop)
}

/// Deletes at most so many whose time was over by then: their process has ended. How many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM readings WHERE id IN (SELECT id FROM readings WHERE until < $1 ORDER BY until, id LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
