//! Blobs that are being stored, and what is reserved for them.

use stoa_db::{Db, Error, FromRow, Row, Tx};
use stoa_kernel::{Owner, Timestamp};

use super::buckets::owner_of;
use crate::ids::BlobId;

/// A row of `pending_blobs`.
pub(crate) struct PendingRow {
    pub(crate) id: BlobId,
    pub(crate) owner: Owner,
    /// Objects that it counts as: none for a part of an upload, which does already.
    pub(crate) objects: i64,
    pub(crate) reserved: i64,
    pub(crate) seen_at: Timestamp,
}

impl FromRow for PendingRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0, "id")?,
            owner: owner_of(&row.get::<String>(1, "owner_kind")?, row.get(2, "owner_id")?),
            objects: row.get(3, "objects")?,
            reserved: row.get(4, "reserved")?,
            seen_at: row.get(5, "seen_at")?,
        })
    }
}

/// Notes that the blob is about to be stored.
pub(crate) async fn insert(tx: &mut Tx, row: &PendingRow) -> Result<(), Error> {
    let sql = "INSERT INTO pending_blobs (id, owner_kind, owner_id, objects, reserved, seen_at, is_swept) \
               VALUES ($1, $2, $3, $4, $5, $6, FALSE)";
    tx.execute(
        sql,
        &[
            &row.id,
            &row.owner.kind(),
            &row.owner.uuid(),
            &row.objects,
            &row.reserved,
            &row.seen_at,
        ],
    )
    .await
    .map(drop)
}

/// Reserves so many bytes more for it; false if it was given up.
pub(crate) async fn reserve(tx: &mut Tx, id: BlobId, bytes: i64, now: Timestamp) -> Result<bool, Error> {
    let sql =
        "UPDATE pending_blobs SET reserved = reserved + $2, seen_at = $3 WHERE id = $1 AND NOT is_swept";
    Ok(tx.execute(sql, &[&id, &bytes, &now]).await? > 0)
}

/// Notes that it goes on; false if it was given up.
pub(crate) async fn seen(db: &Db, id: BlobId, now: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE pending_blobs SET seen_at = $2 WHERE id = $1 AND NOT is_swept";
    Ok(db.execute(sql, &[&id, &now]).await? > 0)
}

/// It has come to its end, for a version that is to have it: what was reserved. None if it was given up.
pub(crate) async fn arrived(tx: &mut Tx, id: BlobId) -> Result<Option<i64>, Error> {
    let sql = "DELETE FROM pending_blobs WHERE id = $1 AND NOT is_swept RETURNING reserved";
    tx.fetch_optional(sql, &[&id]).await
}

/// From now on no version can come to have it; false if there is no such blob, or one may have it already.
pub(crate) async fn give_up(db: &Db, id: BlobId) -> Result<bool, Error> {
    let sql = "UPDATE pending_blobs SET is_swept = TRUE WHERE id = $1";
    Ok(db.execute(sql, &[&id]).await? > 0)
}

/// Deletes the note of one that was given up: the objects and bytes that were reserved. None if that was done before.
pub(crate) async fn delete(tx: &mut Tx, id: BlobId) -> Result<Option<(i64, i64)>, Error> {
    let sql = "DELETE FROM pending_blobs WHERE id = $1 RETURNING objects, reserved";
    tx.fetch_optional(sql, &[&id]).await
}

/// Whether something is being stored, or was when a process ended.
pub(crate) async fn any(db: &Db) -> Result<bool, Error> {
    db.fetch_one("SELECT EXISTS (SELECT 1 FROM pending_blobs)", &[])
        .await
}

/// Those of which nothing was seen since `before`, the oldest first.
pub(crate) async fn stale(db: &Db, before: Timestamp, limit: u32) -> Result<Vec<PendingRow>, Error> {
    let sql = "SELECT id, owner_kind, owner_id, objects, reserved, seen_at FROM pending_blobs WHERE seen_at < $1 \
               ORDER BY seen_at, id LIMIT $2";
    super::in_order(db, sql, &[&before, &limit]).await
}
