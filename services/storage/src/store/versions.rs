//! Versions of objects.

use std::collections::BTreeMap;

use stoa_db::{Db, Error, FromRow, Json, OrderedText, Row, ToValue, Tx};
use stoa_kernel::Timestamp;

use crate::ids::{BlobId, BucketId, ObjectId, VersionId};

/// What the uploader says of an object: names and values.
pub(crate) type Metadata = BTreeMap<String, String>;

/// A row of `versions`.
#[derive(Clone, Debug)]
pub(crate) struct VersionRow {
    pub(crate) id: VersionId,
    pub(crate) bucket_id: BucketId,
    pub(crate) path: String,
    pub(crate) object_id: ObjectId,
    pub(crate) blob_id: BlobId,
    pub(crate) chunks: i64,
    pub(crate) size: i64,
    pub(crate) media_type: String,
    pub(crate) etag: String,
    pub(crate) sha256: Option<Vec<u8>>,
    pub(crate) metadata: Metadata,
    pub(crate) is_damaged: bool,
    pub(crate) is_current: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) purge_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, bucket_id, path, object_id, blob_id, chunks, size, media_type, etag, sha256, metadata, is_damaged, \
                       is_current, created_at, deleted_at, purge_at";

impl FromRow for VersionRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0, "id")?,
            bucket_id: row.get(1, "bucket_id")?,
            path: row.get::<OrderedText>(2, "path")?.0,
            object_id: row.get(3, "object_id")?,
            blob_id: row.get(4, "blob_id")?,
            chunks: row.get(5, "chunks")?,
            size: row.get(6, "size")?,
            media_type: row.get(7, "media_type")?,
            etag: row.get(8, "etag")?,
            sha256: row.get(9, "sha256")?,
            metadata: row.get::<Json<Metadata>>(10, "metadata")?.0,
            is_damaged: row.get(11, "is_damaged")?,
            is_current: row.get(12, "is_current")?,
            created_at: row.get(13, "created_at")?,
            deleted_at: row.get(14, "deleted_at")?,
            purge_at: row.get(15, "purge_at")?,
        })
    }
}

fn current_sql() -> String {
    format!("SELECT {COLUMNS} FROM versions WHERE bucket_id = $1 AND path = $2 AND is_current")
}

/// What is stored under the path now.
pub(crate) async fn current(db: &Db, bucket: BucketId, path: &str) -> Result<Option<VersionRow>, Error> {
    db.fetch_optional(&current_sql(), &[&bucket, &path.as_bytes()])
        .await
}

/// The same, as the transaction sees it.
pub(crate) async fn find_current(
    tx: &mut Tx,
    bucket: BucketId,
    path: &str,
) -> Result<Option<VersionRow>, Error> {
    tx.fetch_optional(&current_sql(), &[&bucket, &path.as_bytes()])
        .await
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, row: &VersionRow) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO versions ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    );
    let metadata = Json::text(&row.metadata)?;
    let path = row.path.as_bytes();
    let params: [&dyn ToValue; 16] = [
        &row.id,
        &row.bucket_id,
        &path,
        &row.object_id,
        &row.blob_id,
        &row.chunks,
        &row.size,
        &row.media_type,
        &row.etag,
        &row.sha256,
        &metadata,
        &row.is_damaged,
        &row.is_current,
        &row.created_at,
        &row.deleted_at,
        &row.purge_at,
    ];
    tx.execute(&sql, &params).await.map(drop)
}

/// It is the current one no more; false if it was not.
pub(crate) async fn supersede(tx: &mut Tx, id: VersionId) -> Result<bool, Error> {
    let sql = "UPDATE versions SET is_current = FALSE WHERE id = $1 AND is_current";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}

/// It is deleted, and can be restored until `purge_at`; false if it was not the current one.
pub(crate) async fn soft_delete(
    tx: &mut Tx,
    id: VersionId,
    now: Timestamp,
    purge_at: Timestamp,
) -> Result<bool, Error> {
    let sql =
        "UPDATE versions SET is_current = FALSE, deleted_at = $2, purge_at = $3 WHERE id = $1 AND is_current";
    Ok(tx.execute(sql, &[&id, &now, &purge_at]).await? > 0)
}

/// Deletes it for good; false if it is not there.
pub(crate) async fn delete(tx: &mut Tx, id: VersionId) -> Result<bool, Error> {
    let sql = "DELETE FROM versions WHERE id = $1";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}

/// Any of the bucket's, at most so many.
pub(crate) async fn some_of(db: &Db, bucket: BucketId, limit: u32) -> Result<Vec<VersionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM versions WHERE bucket_id = $1 LIMIT $2");
    db.fetch_all(&sql, &[&bucket, &limit]).await
}

/// Those that can be restored no more, at most so many.
pub(crate) async fn due(db: &Db, now: Timestamp, limit: u32) -> Result<Vec<VersionRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM versions WHERE purge_at IS NOT NULL AND purge_at <= $1 ORDER BY purge_at, id LIMIT $2"
    );
    super::in_order(db, &sql, &[&now, &limit]).await
}

/// Whether the object has a current version, wherever that is.
pub(crate) async fn is_there(tx: &mut Tx, object: ObjectId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM versions WHERE object_id = $1 AND is_current)";
    tx.fetch_one(sql, &[&object]).await
}

/// What is left under the path of an object that is not there any more: versions from before its deletion.
pub(crate) async fn leftovers(tx: &mut Tx, row: &VersionRow, limit: u32) -> Result<Vec<VersionRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM versions WHERE bucket_id = $1 AND path = $2 AND object_id = $3 AND NOT is_current \
         AND deleted_at IS NULL ORDER BY id LIMIT $4"
    );
    let path = row.path.as_bytes();
    tx.fetch_all(&sql, &[&row.bucket_id, &path, &row.object_id, &limit])
        .await
}

/// The version of the same object that was the current one before this one.
pub(crate) async fn former(tx: &mut Tx, row: &VersionRow) -> Result<Option<VersionRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM versions WHERE (bucket_id, path, id) < ($1, $2, $3) AND (bucket_id, path, id) > ($1, $2, $4) \
         AND object_id = $5 AND deleted_at IS NULL ORDER BY bucket_id DESC, path DESC, id DESC LIMIT 1"
    );
    let first = VersionId::from_uuid(uuid::Uuid::nil());
    let path = row.path.as_bytes();
    let params: [&dyn ToValue; 5] = [&row.bucket_id, &path, &row.id, &first, &row.object_id];
    tx.fetch_optional(&sql, &params).await
}

/// It is the current one again; there is no other.
pub(crate) async fn promote(tx: &mut Tx, id: VersionId) -> Result<(), Error> {
    let sql = "UPDATE versions SET is_current = TRUE WHERE id = $1";
    tx.execute(sql, &[&id]).await.map(drop)
}

/// Notes of all versions that have the blob that it is damaged.
pub(crate) async fn damage(tx: &mut Tx, blob: BlobId) -> Result<u64, Error> {
    let sql = "UPDATE versions SET is_damaged = TRUE WHERE blob_id = $1 AND NOT is_damaged";
    tx.execute(sql, &[&blob]).await
}

/// This version of what is or was under the path.
pub(crate) async fn get(
    db: &Db,
    bucket: BucketId,
    path: &str,
    id: VersionId,
) -> Result<Option<VersionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM versions WHERE id = $1");
    let found: Option<VersionRow> = db.fetch_optional(&sql, &[&id]).await?;
    Ok(found.filter(|row| row.bucket_id == bucket && row.path == path))
}

/// The same, as the transaction sees it.
pub(crate) async fn find(tx: &mut Tx, id: VersionId) -> Result<Option<VersionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM versions WHERE id = $1");
    tx.fetch_optional(&sql, &[&id]).await
}

/// At most so many current versions of a bucket with paths from `from` on and before `to`, in the order of their paths.
///
/// Bucket and path are compared together: so both engines go through the index, however few rows they believe a bucket to have.
pub(crate) async fn range(
    db: &Db,
    bucket: BucketId,
    (from, to): (&[u8], &[u8]),
    limit: u32,
) -> Result<Vec<VersionRow>, Error> {
    let table = db.engine().by_index("versions", "versions_current");
    let sql = format!(
        "SELECT {COLUMNS} FROM {table} WHERE is_current AND (bucket_id, path) >= ($1, $2) AND (bucket_id, path) < ($1, $3) \
         ORDER BY bucket_id, path LIMIT $4"
    );
    db.fetch_all(&sql, &[&bucket, &from, &to, &limit]).await
}

/// At most so many versions of a bucket, whatever has become of them, with paths from `from` on and before `to`, in the order of their
/// paths, the oldest first.
pub(crate) async fn all(
    db: &Db,
    bucket: BucketId,
    (from, to): (&[u8], &[u8]),
    limit: u32,
) -> Result<Vec<VersionRow>, Error> {
    let table = db.engine().by_index("versions", "versions_by_path");
    let sql = format!(
        "SELECT {COLUMNS} FROM {table} WHERE (bucket_id, path) >= ($1, $2) AND (bucket_id, path) < ($1, $3) \
         ORDER BY bucket_id, path, id LIMIT $4"
    );
    db.fetch_all(&sql, &[&bucket, &from, &to, &limit]).await
}

/// At most so many versions of what is or was under the path, older than `before`, the newest first.
pub(crate) async fn of_path(
    db: &Db,
    bucket: BucketId,
    path: &str,
    before: VersionId,
    limit: u32,
) -> Result<Vec<VersionRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM versions WHERE (bucket_id, path, id) < ($1, $2, $3) AND (bucket_id, path, id) > ($1, $2, $4) \
         ORDER BY bucket_id DESC, path DESC, id DESC LIMIT $5"
    );
    let first = VersionId::from_uuid(uuid::Uuid::nil());
    let params: [&dyn ToValue; 5] = [&bucket, &path.as_bytes(), &before, &first, &limit];
    db.fetch_all(&sql, &params).await
}

/// At most so many deleted versions of the bucket, older than `before`, the newest first.
pub(crate) async fn deleted(
    db: &Db,
    bucket: BucketId,
    before: VersionId,
    limit: u32,
) -> Result<Vec<VersionRow>, Error> {
    let table = db.engine().by_index("versions", "versions_deleted");
    let sql = format!(
        "SELECT {COLUMNS} FROM {table} WHERE deleted_at IS NOT NULL AND (bucket_id, id) < ($1, $2) AND (bucket_id, id) > ($1, $3) \
         ORDER BY bucket_id DESC, id DESC LIMIT $4"
    );
    let first = VersionId::from_uuid(uuid::Uuid::nil());
    db.fetch_all(&sql, &[&bucket, &before, &first, &limit]).await
}
