//! The parts of uploads.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::Timestamp;

use crate::ids::{BlobId, ChunkId, UploadId};

/// A row of `upload_parts`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PartRow {
    pub(crate) upload_id: UploadId,
    pub(crate) number: i64,
    pub(crate) chunk_id: ChunkId,
    pub(crate) size: i64,
    pub(crate) md5: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    pub(crate) received_at: Timestamp,
}

const COLUMNS: &str = "upload_id, number, chunk_id, size, md5, sha256, received_at";

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, row: &PartRow) -> Result<(), Error> {
    let sql = format!("INSERT INTO upload_parts ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let params: [&dyn ToValue; 7] = [
        &row.upload_id,
        &row.number,
        &row.chunk_id,
        &row.size,
        &row.md5,
        &row.sha256,
        &row.received_at,
    ];
    tx.execute(&sql, &params).await.map(drop)
}

/// Deletes the part of this number; it, if there was one.
pub(crate) async fn take(tx: &mut Tx, upload: UploadId, number: i64) -> Result<Option<PartRow>, Error> {
    let sql = format!("DELETE FROM upload_parts WHERE upload_id = $1 AND number = $2 RETURNING {COLUMNS}");
    tx.fetch_optional(&sql, &[&upload, &number]).await
}

/// At most so many of an upload with numbers behind `after`, in order.
pub(crate) async fn list(db: &Db, upload: UploadId, after: i64, limit: u32) -> Result<Vec<PartRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM upload_parts WHERE upload_id = $1 AND number > $2 ORDER BY number LIMIT $3"
    );
    db.fetch_all(&sql, &[&upload, &after, &limit]).await
}

/// At most so many of an upload, the last first.
pub(crate) async fn last(db: &Db, upload: UploadId, limit: u32) -> Result<Vec<PartRow>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM upload_parts WHERE upload_id = $1 ORDER BY number DESC LIMIT $2");
    db.fetch_all(&sql, &[&upload, &limit]).await
}

/// All of an upload, in order, as the transaction sees them.
pub(crate) async fn all(tx: &mut Tx, upload: UploadId) -> Result<Vec<PartRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM upload_parts WHERE upload_id = $1 ORDER BY number");
    tx.fetch_all(&sql, &[&upload]).await
}

/// Makes the parts with numbers from `first` to `last` chunks of a blob, which are in the same order; how many they were.
pub(crate) async fn become_chunks(
    tx: &mut Tx,
    upload: UploadId,
    (first, last): (i64, i64),
    blob: BlobId,
) -> Result<u64, Error> {
    let sql = "INSERT INTO chunks (id, blob_id, position, size, sha256, checked_at) \
               SELECT chunk_id, $2, number, size, sha256, received_at FROM upload_parts \
               WHERE upload_id = $1 AND number BETWEEN $3 AND $4";
    let count = tx.execute(sql, &[&upload, &blob, &first, &last]).await?;
    let sql = "DELETE FROM upload_parts WHERE upload_id = $1 AND number BETWEEN $2 AND $3";
    tx.execute(sql, &[&upload, &first, &last]).await?;
    Ok(count)
}

/// Makes all parts of an upload those of another one, behind its number `after`.
pub(crate) async fn hand_over(
    tx: &mut Tx,
    from: UploadId,
    (to, after): (UploadId, i64),
) -> Result<u64, Error> {
    let sql = "UPDATE upload_parts SET upload_id = $2, number = number + $3 WHERE upload_id = $1";
    tx.execute(sql, &[&from, &to, &after]).await
}

/// Deletes the note of a part.
pub(crate) async fn delete(tx: &mut Tx, upload: UploadId, number: i64) -> Result<(), Error> {
    let sql = "DELETE FROM upload_parts WHERE upload_id = $1 AND number = $2";
    tx.execute(sql, &[&upload, &number]).await.map(drop)
}
