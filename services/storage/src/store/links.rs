//! Links: who has the address may read or store one object.

use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Page, PageRequest, Timestamp, UserId};
use uuid::Uuid;

use crate::ids::{BucketId, LinkId, VersionId};

/// A row of `links`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct LinkRow {
    pub(crate) id: LinkId,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) bucket_id: BucketId,
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) version_id: Option<VersionId>,
    pub(crate) max_bytes: Option<i64>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) max_uses: Option<i64>,
    pub(crate) uses: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// None of links of before that was kept, and of who was erased.
    pub(crate) made_by: Option<UserId>,
}

const COLUMNS: &str = "id, token_hash, bucket_id, kind, path, version_id, max_bytes, password, max_uses, uses, created_at, \
                       expires_at, made_by";

/// The link with this token, as long as it can be used.
pub(crate) async fn get(db: &Db, token_hash: &[u8], now: Timestamp) -> Result<Option<LinkRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM links WHERE token_hash = $1");
    let found: Option<LinkRow> = db.fetch_optional(&sql, &[&token_hash]).await?;
    let is_open = |row: &LinkRow| row.expires_at > now && row.max_uses.is_none_or(|max| row.uses < max);
    Ok(found.filter(is_open))
}

/// Those of the bucket, newest first.
pub(crate) async fn list(db: &Db, bucket: BucketId, page: &PageRequest) -> Result<Page<LinkRow>, Error> {
    List::of("links", COLUMNS)
        .filter("bucket_id = $", bucket)
        .page(db, page, |row: &LinkRow| row.id)
        .await
}

/// How many the bucket has, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, bucket: BucketId, most: i64) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT id FROM links WHERE bucket_id = $1 LIMIT $2) AS its";
    tx.fetch_one(sql, &[&bucket, &most]).await
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, row: &LinkRow) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO links ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    );
    let params: [&dyn ToValue; 13] = [
        &row.id,
        &row.token_hash,
        &row.bucket_id,
        &row.kind,
        &row.path,
        &row.version_id,
        &row.max_bytes,
        &row.password,
        &row.max_uses,
        &row.uses,
        &row.created_at,
        &row.expires_at,
        &row.made_by,
    ];
    tx.execute(&sql, &params).await.map(drop)
}

/// Counts a use; false if there was none left.
pub(crate) async fn take(db: &Db, id: LinkId, now: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE links SET uses = uses + 1 WHERE id = $1 AND expires_at > $2 AND (max_uses IS NULL OR uses < max_uses)";
    Ok(db.execute(sql, &[&id, &now]).await? > 0)
}

/// Gives a use back of which nothing came.
pub(crate) async fn give(db: &Db, id: LinkId) -> Result<(), Error> {
    db.execute("UPDATE links SET uses = uses - 1 WHERE id = $1", &[&id])
        .await
        .map(drop)
}

/// Deletes one of the bucket; false if there is none.
pub(crate) async fn delete(tx: &mut Tx, bucket: BucketId, id: LinkId) -> Result<bool, Error> {
    let sql = "DELETE FROM links WHERE id = $1 AND bucket_id = $2";
    Ok(tx.execute(sql, &[&id, &bucket]).await? > 0)
}

/// Deletes those of a bucket.
pub(crate) async fn delete_of(tx: &mut Tx, bucket: BucketId) -> Result<(), Error> {
    tx.execute("DELETE FROM links WHERE bucket_id = $1", &[&bucket])
        .await
        .map(drop)
}

/// Deletes at most so many that expired before a time; how many there were.
pub(crate) async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}

/// Whether it is there still.
pub(crate) async fn is_there(tx: &mut Tx, id: LinkId) -> Result<bool, Error> {
    tx.fetch_one("SELECT EXISTS (SELECT 1 FROM links WHERE id = $1)", &[&id])
        .await
}

/// Ids of at most so many that a person made until a time. Maker and id are compared together: so both engines go through the index.
const MADE_BY: &str = "SELECT id FROM links WHERE (made_by, id) >= ($1, $2) AND (made_by, id) <= ($1, $3) AND created_at <= $4 \
                       ORDER BY made_by, id LIMIT $5";

/// Deletes at most so many that this person made until a time, and returns them.
pub(crate) async fn take_made_by(
    tx: &mut Tx,
    user: UserId,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<LinkRow>, Error> {
    let sql = format!("DELETE FROM links WHERE id IN ({MADE_BY}) RETURNING {COLUMNS}");
    let params: [&dyn ToValue; 5] = [&user, &Uuid::nil(), &Uuid::max(), &until, &limit];
    tx.fetch_all(&sql, &params).await
}

/// Takes the name of a person off at most so many links; how many there were.
pub(crate) async fn unname(tx: &mut Tx, user: UserId, limit: u32) -> Result<u64, Error> {
    let sql = format!("UPDATE links SET made_by = NULL WHERE id IN ({MADE_BY})");
    let params: [&dyn ToValue; 5] = [&user, &Uuid::nil(), &Uuid::max(), &Timestamp::MAX, &limit];
    tx.execute(&sql, &params).await
}
