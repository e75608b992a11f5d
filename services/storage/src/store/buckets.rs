//! Buckets.

use stoa_db::{Db, Error, FromRow, Json, List, Row, ToValue, Tx};
use stoa_kernel::{OrganizationId, Owner, Page, PageRequest, Timestamp, UserId};
use uuid::Uuid;

use crate::ids::BucketId;

/// A row of `buckets`, and whether its owner's things are shown to anybody.
#[derive(Clone, Debug)]
pub(crate) struct BucketRow {
    pub(crate) id: BucketId,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) is_public: bool,
    pub(crate) is_versioned: bool,
    /// Whether somebody ever chose whether it is.
    pub(crate) is_versioning_set: bool,
    pub(crate) max_object_bytes: Option<i64>,
    pub(crate) allowed_types: Vec<String>,
    pub(crate) objects: i64,
    pub(crate) bytes: i64,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

const COLUMNS: &str = "id, name, owner_kind, owner_id, is_public, is_versioned, max_object_bytes, allowed_types, objects, \
                       bytes, version, created_at, updated_at, is_versioning_set";

impl FromRow for BucketRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0, "id")?,
            name: row.get(1, "name")?,
            owner: owner_of(&row.get::<String>(2, "owner_kind")?, row.get(3, "owner_id")?),
            is_public: row.get(4, "is_public")?,
            is_versioned: row.get(5, "is_versioned")?,
            max_object_bytes: row.get(6, "max_object_bytes")?,
            allowed_types: row.get::<Json<Vec<String>>>(7, "allowed_types")?.0,
            objects: row.get(8, "objects")?,
            bytes: row.get(9, "bytes")?,
            version: row.get(10, "version")?,
            created_at: row.get(11, "created_at")?,
            updated_at: row.get(12, "updated_at")?,
            is_versioning_set: row.get(13, "is_versioning_set")?,
        })
    }
}

/// The owner of these columns.
pub(crate) fn owner_of(kind: &str, id: Uuid) -> Owner {
    if kind == "organization" {
        Owner::Organization(OrganizationId::from_uuid(id))
    } else {
        Owner::User(UserId::from_uuid(id))
    }
}

/// The bucket of this name, unless its owner is suspended or erased.
pub(crate) async fn get(db: &Db, name: &str) -> Result<Option<BucketRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM buckets WHERE name = $1");
    let found: Option<BucketRow> = db.fetch_optional(&sql, &[&name]).await?;
    let Some(bucket) = found else { return Ok(None) };
    let sql = "SELECT is_suspended OR is_erased FROM owners WHERE kind = $1 AND id = $2";
    let params: [&dyn ToValue; 2] = [&bucket.owner.kind(), &bucket.owner.uuid()];
    let is_closed: Option<bool> = db.fetch_optional(sql, &params).await?;
    Ok((is_closed == Some(false)).then_some(bucket))
}

/// The bucket with this id.
pub(crate) async fn by_id(db: &Db, id: BucketId) -> Result<Option<BucketRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM buckets WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// The bucket, as the transaction sees it.
pub(crate) async fn find(tx: &mut Tx, id: BucketId) -> Result<Option<BucketRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM buckets WHERE id = $1");
    tx.fetch_optional(&sql, &[&id]).await
}

/// One of the owner's buckets, whichever.
pub(crate) async fn any_of(db: &Db, owner: Owner) -> Result<Option<BucketRow>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM buckets WHERE owner_kind = $1 AND owner_id = $2 ORDER BY id LIMIT 1");
    db.fetch_optional(&sql, &[&owner.kind(), &owner.uuid()]).await
}

/// Those of the owner, newest first.
pub(crate) async fn list(db: &Db, owner: Owner, page: &PageRequest) -> Result<Page<BucketRow>, Error> {
    List::of("buckets", COLUMNS)
        .filter("owner_kind = $", owner.kind())
        .filter("owner_id = $", owner.uuid())
        .page(db, page, |row: &BucketRow| row.id)
        .await
}

/// Writes a new one; false if there is one of this name.
pub(crate) async fn insert(tx: &mut Tx, row: &BucketRow) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO buckets ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (name) DO NOTHING"
    );
    let types = Json::text(&row.allowed_types)?;
    let params: [&dyn ToValue; 14] = [
        &row.id,
        &row.name,
        &row.owner.kind(),
        &row.owner.uuid(),
        &row.is_public,
        &row.is_versioned,
        &row.max_object_bytes,
        &types,
        &row.objects,
        &row.bytes,
        &row.version,
        &row.created_at,
        &row.updated_at,
        &row.is_versioning_set,
    ];
    Ok(tx.execute(&sql, &params).await? > 0)
}

/// Writes what may change, if it still has version `seen`; says whether it had.
pub(crate) async fn save(tx: &mut Tx, row: &BucketRow, seen: i64) -> Result<bool, Error> {
    let sql = "UPDATE buckets SET is_public = $3, is_versioned = $4, max_object_bytes = $5, allowed_types = $6, version = $7, \
               updated_at = $8, is_versioning_set = $9 WHERE id = $1 AND version = $2";
    let types = Json::text(&row.allowed_types)?;
    let params: [&dyn ToValue; 9] = [
        &row.id,
        &seen,
        &row.is_public,
        &row.is_versioned,
        &row.max_object_bytes,
        &types,
        &row.version,
        &row.updated_at,
        &row.is_versioning_set,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Locks the bucket and counts so many objects and bytes more in it, or less; false if there is no such bucket.
pub(crate) async fn count(tx: &mut Tx, id: BucketId, objects: i64, bytes: i64) -> Result<bool, Error> {
    let sql = "UPDATE buckets SET objects = objects + $2, bytes = bytes + $3 WHERE id = $1";
    Ok(tx.execute(sql, &[&id, &objects, &bytes]).await? > 0)
}

/// The same, and the bucket as it is from then on until the transaction ends.
pub(crate) async fn counted(
    tx: &mut Tx,
    id: BucketId,
    objects: i64,
    bytes: i64,
) -> Result<Option<BucketRow>, Error> {
    let sql = format!(
        "UPDATE buckets SET objects = objects + $2, bytes = bytes + $3 WHERE id = $1 RETURNING {COLUMNS}"
    );
    tx.fetch_optional(&sql, &[&id, &objects, &bytes]).await
}

/// Deletes the bucket if nothing is in it; false if something is.
pub(crate) async fn delete(tx: &mut Tx, id: BucketId) -> Result<bool, Error> {
    let sql = "DELETE FROM buckets WHERE id = $1 AND objects = 0";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}
