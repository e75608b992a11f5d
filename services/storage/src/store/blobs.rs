//! Stored bytes: who has them, in which pieces, and whether they still match their checksums.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::Timestamp;

use crate::ids::{BlobId, ChunkId};

/// A row of `chunks`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ChunkRow {
    pub(crate) id: ChunkId,
    pub(crate) blob_id: BlobId,
    pub(crate) position: i64,
    pub(crate) size: i64,
    pub(crate) sha256: Vec<u8>,
    pub(crate) checked_at: Timestamp,
}

const COLUMNS: &str = "id, blob_id, position, size, sha256, checked_at";

/// Writes a blob of this one chunk, which one version has.
pub(crate) async fn insert(tx: &mut Tx, chunk: &ChunkRow) -> Result<(), Error> {
    let sql = "INSERT INTO blobs (id, refs, chunks) VALUES ($1, 1, 1)";
    tx.execute(sql, &[&chunk.blob_id]).await?;
    insert_chunk(tx, chunk).await
}

/// Writes a blob of so many chunks, which one version has. The chunks are written apart.
pub(crate) async fn insert_composed(tx: &mut Tx, id: BlobId, chunks: i64) -> Result<(), Error> {
    let sql = "INSERT INTO blobs (id, refs, chunks) VALUES ($1, 1, $2)";
    tx.execute(sql, &[&id, &chunks]).await.map(drop)
}

async fn insert_chunk(tx: &mut Tx, chunk: &ChunkRow) -> Result<(), Error> {
    let sql = "INSERT INTO chunks (id, blob_id, position, size, sha256, checked_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let params: [&dyn ToValue; 6] = [
        &chunk.id,
        &chunk.blob_id,
        &chunk.position,
        &chunk.size,
        &chunk.sha256,
        &chunk.checked_at,
    ];
    tx.execute(sql, &params).await.map(drop)
}

/// Locks it; false if no version has it.
pub(crate) async fn is_used(tx: &mut Tx, id: BlobId) -> Result<bool, Error> {
    let sql = "UPDATE blobs SET refs = refs WHERE id = $1 AND refs > 0";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}

/// One version more has it; false if it is being deleted.
pub(crate) async fn share(tx: &mut Tx, id: BlobId) -> Result<bool, Error> {
    let sql = "UPDATE blobs SET refs = refs + 1 WHERE id = $1 AND refs > 0";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}

/// One version less has it. True if none has it any more: then its bytes are to be deleted.
pub(crate) async fn release(tx: &mut Tx, id: BlobId) -> Result<bool, Error> {
    let sql = "UPDATE blobs SET refs = refs - 1 WHERE id = $1 RETURNING refs";
    let is_unused = tx.fetch_optional::<i64>(sql, &[&id]).await? == Some(0);
    if is_unused {
        let now = tx.clock().now();
        let sql = "UPDATE blobs SET unused_at = $2 WHERE id = $1";
        tx.execute(sql, &[&id, &now]).await?;
    }
    Ok(is_unused)
}

/// At most so many that no version had by `before` and nobody reads now, the longest ago first.
pub(crate) async fn unused(
    db: &Db,
    before: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<BlobId>, Error> {
    let sql = "SELECT id FROM blobs WHERE unused_at IS NOT NULL AND unused_at < $1 \
               AND NOT EXISTS (SELECT 1 FROM readings WHERE readings.blob_id = blobs.id AND readings.until > $2) \
               ORDER BY unused_at, id LIMIT $3";
    super::in_order(db, sql, &[&before, &now, &limit]).await
}

/// At most so many of its chunks, from `position` on, in order.
pub(crate) async fn chunks(db: &Db, id: BlobId, position: i64, limit: u32) -> Result<Vec<ChunkRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM chunks WHERE blob_id = $1 AND position >= $2 ORDER BY position LIMIT $3"
    );
    db.fetch_all(&sql, &[&id, &position, &limit]).await
}

/// Deletes the note of a chunk whose bytes are gone.
pub(crate) async fn delete_chunk(tx: &mut Tx, chunk: &ChunkRow) -> Result<(), Error> {
    tx.execute("DELETE FROM chunks WHERE id = $1", &[&chunk.id])
        .await
        .map(drop)
}

/// Deletes a blob that no version has.
pub(crate) async fn delete(tx: &mut Tx, id: BlobId) -> Result<(), Error> {
    tx.execute("DELETE FROM blobs WHERE id = $1 AND refs = 0", &[&id])
        .await
        .map(drop)
}

/// Chunks that were not compared with their checksums since `before`, the longest ago first.
pub(crate) async fn unchecked(db: &Db, before: Timestamp, limit: u32) -> Result<Vec<ChunkRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM chunks WHERE checked_at < $1 ORDER BY checked_at, id LIMIT $2");
    super::in_order(db, &sql, &[&before, &limit]).await
}

/// Notes that a chunk was compared; false if it is gone.
pub(crate) async fn checked(tx: &mut Tx, id: ChunkId, now: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE chunks SET checked_at = $2 WHERE id = $1";
    Ok(tx.execute(sql, &[&id, &now]).await? > 0)
}
