//! Renditions of pictures.

use stoa_db::{Db, Error, FromRow, Row, ToValue, Tx};
use stoa_kernel::{Owner, Timestamp};

use super::buckets::owner_of;
use crate::ids::{BlobId, ChunkId};

/// A row of `renditions`.
#[derive(Clone, Debug)]
pub(crate) struct RenditionRow {
    pub(crate) id: ChunkId,
    pub(crate) blob_id: BlobId,
    pub(crate) variant: String,
    pub(crate) owner: Owner,
    pub(crate) size: i64,
    pub(crate) media_type: String,
    pub(crate) etag: String,
    pub(crate) used_at: Timestamp,
}

const COLUMNS: &str = "id, blob_id, variant, owner_kind, owner_id, size, media_type, etag, used_at";

impl FromRow for RenditionRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0, "id")?,
            blob_id: row.get(1, "blob_id")?,
            variant: row.get(2, "variant")?,
            owner: owner_of(&row.get::<String>(3, "owner_kind")?, row.get(4, "owner_id")?),
            size: row.get(5, "size")?,
            media_type: row.get(6, "media_type")?,
            etag: row.get(7, "etag")?,
            used_at: row.get(8, "used_at")?,
        })
    }
}

/// The rendition of a blob that was made so.
pub(crate) async fn get(db: &Db, blob: BlobId, variant: &str) -> Result<Option<RenditionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM renditions WHERE blob_id = $1 AND variant = $2");
    db.fetch_optional(&sql, &[&blob, &variant]).await
}

/// Writes a new one; false if there is one that was made so.
pub(crate) async fn insert(tx: &mut Tx, row: &RenditionRow) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO renditions ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (blob_id, variant) DO NOTHING"
    );
    let params: [&dyn ToValue; 9] = [
        &row.id,
        &row.blob_id,
        &row.variant,
        &row.owner.kind(),
        &row.owner.uuid(),
        &row.size,
        &row.media_type,
        &row.etag,
        &row.used_at,
    ];
    Ok(tx.execute(&sql, &params).await? > 0)
}

/// Notes that it is used, if that was not noted since `before`.
pub(crate) async fn used(db: &Db, id: ChunkId, now: Timestamp, before: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE renditions SET used_at = $2 WHERE id = $1 AND used_at < $3";
    db.execute(sql, &[&id, &now, &before]).await.map(drop)
}

/// Deletes it; its size, if it was there.
pub(crate) async fn delete(tx: &mut Tx, id: ChunkId) -> Result<Option<i64>, Error> {
    let sql = "DELETE FROM renditions WHERE id = $1 RETURNING size";
    tx.fetch_optional(sql, &[&id]).await
}

/// How many a blob has.
pub(crate) async fn count(tx: &mut Tx, blob: BlobId) -> Result<i64, Error> {
    tx.fetch_one("SELECT COUNT(*) FROM renditions WHERE blob_id = $1", &[&blob])
        .await
}

/// At most so many of a blob, the longest unused first.
pub(crate) async fn of_blob(tx: &mut Tx, blob: BlobId, limit: u32) -> Result<Vec<RenditionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM renditions WHERE blob_id = $1 ORDER BY used_at, id LIMIT $2");
    tx.fetch_all(&sql, &[&blob, &limit]).await
}

/// At most so many of an owner, the longest unused first.
pub(crate) async fn of_owner(tx: &mut Tx, owner: Owner, limit: u32) -> Result<Vec<RenditionRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM renditions WHERE owner_kind = $1 AND owner_id = $2 ORDER BY used_at, id LIMIT $3"
    );
    tx.fetch_all(&sql, &[&owner.kind(), &owner.uuid(), &limit]).await
}

/// At most so many that were not used since `before`, the longest first.
pub(crate) async fn unused(db: &Db, before: Timestamp, limit: u32) -> Result<Vec<RenditionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM renditions WHERE used_at < $1 ORDER BY used_at, id LIMIT $2");
    super::in_order(db, &sql, &[&before, &limit]).await
}
