//! Uploads in parts.

use serde::{Deserialize, Serialize};
use stoa_db::{Db, Error, FromRow, Json, OrderedText, Row, ToValue, Tx};
use stoa_kernel::{Owner, Timestamp, UserId};
use uuid::Uuid;

use super::{buckets::owner_of, versions::Metadata};
use crate::ids::{BucketId, ObjectId, UploadId, VersionId};

/// It takes parts.
pub(crate) const OPEN: &str = "open";
/// Its object is stored, or, of a piece, all of it has come.
pub(crate) const COMPLETE: &str = "complete";
/// Its parts are another upload's.
pub(crate) const JOINED: &str = "joined";
/// It was given up, and its parts are being deleted.
pub(crate) const ABORTED: &str = "aborted";

/// A row of `uploads`.
#[derive(Clone, Debug)]
pub(crate) struct UploadRow {
    pub(crate) id: UploadId,
    pub(crate) owner: Owner,
    pub(crate) user_id: UserId,
    pub(crate) bucket_id: Option<BucketId>,
    pub(crate) path: Option<String>,
    pub(crate) protocol: String,
    pub(crate) state: String,
    pub(crate) metadata: Metadata,
    pub(crate) media_type: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) length: Option<i64>,
    pub(crate) received: i64,
    pub(crate) reserved: i64,
    pub(crate) numbered: i64,
    pub(crate) digests: Option<Vec<u8>>,
    pub(crate) writer: Option<Uuid>,
    pub(crate) writer_at: Option<Timestamp>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// What has become of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// This version of an object.
    Stored {
        version_id: VersionId,
        object_id: ObjectId,
        etag: String,
        size: i64,
        /// Whether there was nothing under the path.
        is_new: bool,
    },
    /// A piece of this upload.
    Joined(UploadId),
}

const COLUMNS: &str = "id, owner_kind, owner_id, user_id, bucket_id, path, protocol, state, metadata, media_type, note, length, \
                       received, reserved, numbered, digests, writer, writer_at, outcome, created_at, expires_at";

impl FromRow for UploadRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0, "id")?,
            owner: owner_of(&row.get::<String>(1, "owner_kind")?, row.get(2, "owner_id")?),
            user_id: row.get(3, "user_id")?,
            bucket_id: row.get(4, "bucket_id")?,
            path: row.get::<Option<OrderedText>>(5, "path")?.map(|path| path.0),
            protocol: row.get(6, "protocol")?,
            state: row.get(7, "state")?,
            metadata: row.get::<Json<Metadata>>(8, "metadata")?.0,
            media_type: row.get(9, "media_type")?,
            note: row.get(10, "note")?,
            length: row.get(11, "length")?,
            received: row.get(12, "received")?,
            reserved: row.get(13, "reserved")?,
            numbered: row.get(14, "numbered")?,
            digests: row.get(15, "digests")?,
            writer: row.get(16, "writer")?,
            writer_at: row.get(17, "writer_at")?,
            outcome: row
                .get::<Option<Json<Outcome>>>(18, "outcome")?
                .map(|outcome| outcome.0),
            created_at: row.get(19, "created_at")?,
            expires_at: row.get(20, "expires_at")?,
        })
    }
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, row: &UploadRow) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO uploads ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
         $18, $19, $20, $21)"
    );
    let metadata = Json::text(&row.metadata)?;
    let path = row.path.as_deref().map(str::as_bytes);
    let outcome = row.outcome.as_ref().map(Json::text).transpose()?;
    let params: [&dyn ToValue; 21] = [
        &row.id,
        &row.owner.kind(),
        &row.owner.uuid(),
        &row.user_id,
        &row.bucket_id,
        &path,
        &row.protocol,
        &row.state,
        &metadata,
        &row.media_type,
        &row.note,
        &row.length,
        &row.received,
        &row.reserved,
        &row.numbered,
        &row.digests,
        &row.writer,
        &row.writer_at,
        &outcome,
        &row.created_at,
        &row.expires_at,
    ];
    tx.execute(&sql, &params).await.map(drop)
}

/// The upload.
pub(crate) async fn get(db: &Db, id: UploadId) -> Result<Option<UploadRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// The same, as the transaction sees it.
pub(crate) async fn find(tx: &mut Tx, id: UploadId) -> Result<Option<UploadRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM uploads WHERE id = $1");
    tx.fetch_optional(&sql, &[&id]).await
}

/// Writes what a part changes of an open upload; false if it is not open any more. The owner's row is locked.
pub(crate) async fn save(tx: &mut Tx, row: &UploadRow) -> Result<bool, Error> {
    let sql = "UPDATE uploads SET length = $2, received = $3, reserved = $4, numbered = $5, digests = $6, writer = $7, \
               writer_at = $8, expires_at = $9 WHERE id = $1 AND state = 'open'";
    let params: [&dyn ToValue; 9] = [
        &row.id,
        &row.length,
        &row.received,
        &row.reserved,
        &row.numbered,
        &row.digests,
        &row.writer,
        &row.writer_at,
        &row.expires_at,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// It is open no more; false if it was not. What it had is somebody else's, or given back.
pub(crate) async fn close(
    tx: &mut Tx,
    id: UploadId,
    (state, outcome): (&str, Option<&Outcome>),
    expires_at: Timestamp,
) -> Result<bool, Error> {
    let sql = "UPDATE uploads SET state = $2, outcome = $3, expires_at = $4, reserved = 0, writer = NULL, digests = NULL \
               WHERE id = $1 AND state = 'open'";
    let outcome = outcome.map(Json::text).transpose()?;
    Ok(tx.execute(sql, &[&id, &state, &outcome, &expires_at]).await? > 0)
}

/// Takes an open upload for the one request that appends to it; false while another one does that was seen since `lapsed`.
pub(crate) async fn take(
    db: &Db,
    id: UploadId,
    (writer, now): (Uuid, Timestamp),
    lapsed: Timestamp,
) -> Result<bool, Error> {
    let sql = "UPDATE uploads SET writer = $2, writer_at = $3 \
               WHERE id = $1 AND state = 'open' AND (writer IS NULL OR writer = $2 OR writer_at < $4)";
    Ok(db.execute(sql, &[&id, &writer, &now, &lapsed]).await? > 0)
}

/// The request appends no more. Without one: whichever did.
pub(crate) async fn release(db: &Db, id: UploadId, writer: Option<Uuid>) -> Result<(), Error> {
    let sql = "UPDATE uploads SET writer = NULL WHERE id = $1 AND writer = $2";
    match writer {
        Some(writer) => db.execute(sql, &[&id, &writer]).await.map(drop),
        None => db
            .execute("UPDATE uploads SET writer = NULL WHERE id = $1", &[&id])
            .await
            .map(drop),
    }
}

/// Deletes it; false if there is none.
pub(crate) async fn delete(tx: &mut Tx, id: UploadId) -> Result<bool, Error> {
    Ok(tx.execute("DELETE FROM uploads WHERE id = $1", &[&id]).await? > 0)
}

/// At most so many of an owner, whatever their state.
pub(crate) async fn of_owner(db: &Db, owner: Owner, limit: u32) -> Result<Vec<UploadRow>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM uploads WHERE owner_kind = $1 AND owner_id = $2 ORDER BY id LIMIT $3");
    db.fetch_all(&sql, &[&owner.kind(), &owner.uuid(), &limit]).await
}

/// At most so many open ones of a bucket, behind this path and id, in the order of both.
pub(crate) async fn of_bucket(
    db: &Db,
    bucket: BucketId,
    (path, id): (&[u8], UploadId),
    limit: u32,
) -> Result<Vec<UploadRow>, Error> {
    let table = db.engine().by_index("uploads", "uploads_open");
    let sql = format!(
        "SELECT {COLUMNS} FROM {table} WHERE state = 'open' AND (bucket_id, path, id) > ($1, $2, $3) AND bucket_id = $1 \
         ORDER BY bucket_id, path, id LIMIT $4"
    );
    db.fetch_all(&sql, &[&bucket, &path, &id, &limit]).await
}

/// Whether the bucket has an open one.
pub(crate) async fn any_of_bucket(tx: &mut Tx, bucket: BucketId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM uploads WHERE bucket_id = $1 AND state = 'open')";
    tx.fetch_one(sql, &[&bucket]).await
}

/// Those whose time is over, the longest ago first.
pub(crate) async fn expired(db: &Db, now: Timestamp, limit: u32) -> Result<Vec<UploadRow>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM uploads WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2");
    super::in_order(db, &sql, &[&now, &limit]).await
}
