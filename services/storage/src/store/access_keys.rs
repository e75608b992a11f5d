//! Access keys: what programs that speak S3 sign with.

use stoa_db::{Db, Error, FromRow, Json, List, Row, ToValue, Tx};
use stoa_kernel::{Owner, Page, PageRequest, Timestamp, UserId};
use uuid::Uuid;

use super::buckets::owner_of;
use crate::ids::AccessKeyId;

/// A row of `access_keys`.
#[derive(Clone)]
pub(crate) struct AccessKeyRow {
    pub(crate) id: AccessKeyId,
    pub(crate) key_id: String,
    pub(crate) owner: Owner,
    pub(crate) made_by: UserId,
    pub(crate) name: String,
    /// Sealed.
    pub(crate) secret: Vec<u8>,
    pub(crate) is_read_only: bool,
    /// The only buckets that it is for; empty for all.
    pub(crate) buckets: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, key_id, owner_kind, owner_id, made_by, name, secret, is_read_only, buckets, created_at, expires_at, \
                       last_used_at";

impl FromRow for AccessKeyRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.get(0, "id")?,
            key_id: row.get(1, "key_id")?,
            owner: owner_of(&row.get::<String>(2, "owner_kind")?, row.get(3, "owner_id")?),
            made_by: row.get(4, "made_by")?,
            name: row.get(5, "name")?,
            secret: row.get(6, "secret")?,
            is_read_only: row.get(7, "is_read_only")?,
            buckets: row.get::<Json<Vec<String>>>(8, "buckets")?.0,
            created_at: row.get(9, "created_at")?,
            expires_at: row.get(10, "expires_at")?,
            last_used_at: row.get(11, "last_used_at")?,
        })
    }
}

/// The key that requests name so.
pub(crate) async fn by_key_id(db: &Db, key_id: &str) -> Result<Option<AccessKeyRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM access_keys WHERE key_id = $1");
    db.fetch_optional(&sql, &[&key_id]).await
}

/// The key with this id.
pub(crate) async fn by_id(db: &Db, id: AccessKeyId) -> Result<Option<AccessKeyRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM access_keys WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// Those of the owner, newest first.
pub(crate) async fn list(db: &Db, owner: Owner, page: &PageRequest) -> Result<Page<AccessKeyRow>, Error> {
    List::of("access_keys", COLUMNS)
        .filter("owner_kind = $", owner.kind())
        .filter("owner_id = $", owner.uuid())
        .page(db, page, |row: &AccessKeyRow| row.id)
        .await
}

/// How many the owner has, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, owner: Owner, most: i64) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT id FROM access_keys WHERE owner_kind = $1 AND owner_id = $2 LIMIT $3) AS its";
    tx.fetch_one(sql, &[&owner.kind(), &owner.uuid(), &most]).await
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, row: &AccessKeyRow) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO access_keys ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    );
    let buckets = Json::text(&row.buckets)?;
    let params: [&dyn ToValue; 12] = [
        &row.id,
        &row.key_id,
        &row.owner.kind(),
        &row.owner.uuid(),
        &row.made_by,
        &row.name,
        &row.secret,
        &row.is_read_only,
        &buckets,
        &row.created_at,
        &row.expires_at,
        &row.last_used_at,
    ];
    tx.execute(&sql, &params).await.map(drop)
}

/// Deletes one; false if it is gone.
pub(crate) async fn delete(tx: &mut Tx, id: AccessKeyId) -> Result<bool, Error> {
    let sql = "DELETE FROM access_keys WHERE id = $1";
    Ok(tx.execute(sql, &[&id]).await? > 0)
}

/// Notes when it was last used.
pub(crate) async fn touch(db: &Db, id: AccessKeyId, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE access_keys SET last_used_at = $2 WHERE id = $1";
    db.execute(sql, &[&id, &now]).await.map(drop)
}

/// Deletes at most so many of the owner; how many there were.
pub(crate) async fn delete_of(tx: &mut Tx, owner: Owner, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM access_keys WHERE id IN \
               (SELECT id FROM access_keys WHERE owner_kind = $1 AND owner_id = $2 ORDER BY id LIMIT $3)";
    tx.execute(sql, &[&owner.kind(), &owner.uuid(), &limit]).await
}

/// Deletes at most so many that this person made until a time, whosever they are, and returns them.
pub(crate) async fn take_made_by(
    tx: &mut Tx,
    user: UserId,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<AccessKeyRow>, Error> {
    let sql = format!(
        "DELETE FROM access_keys WHERE id IN (SELECT id FROM access_keys WHERE (made_by, id) >= ($1, $2) \
         AND (made_by, id) <= ($1, $3) AND created_at <= $4 ORDER BY made_by, id LIMIT $5) RETURNING {COLUMNS}"
    );
    let params: [&dyn ToValue; 5] = [&user, &Uuid::nil(), &Uuid::max(), &until, &limit];
    tx.fetch_all(&sql, &params).await
}
