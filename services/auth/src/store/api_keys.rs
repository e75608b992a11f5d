//! API keys.

use stoa_db::{Db, Error, FromRow, Json, Tx};
use stoa_kernel::{Id, Timestamp, UserId};

/// Label of an API key's id.
pub(crate) enum ApiKeyTag {}
/// Names an API key.
pub(crate) type ApiKeyId = Id<ApiKeyTag>;

/// One key, without what only its owner knows.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ApiKey {
    pub(crate) id: ApiKeyId,
    pub(crate) name: String,
    pub(crate) scopes: Json<Vec<String>>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// What a key is checked with.
#[derive(FromRow)]
pub(crate) struct KeyCheck {
    pub(crate) user_id: UserId,
    pub(crate) hash: Vec<u8>,
    pub(crate) scopes: Json<Vec<String>>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

/// A new key.
pub(crate) async fn insert(tx: &mut Tx, user: UserId, key: &ApiKey, hash: &[u8; 32]) -> Result<(), Error> {
    let scopes = Json::text(&key.scopes.0)?;
    tx.execute(
        "INSERT INTO api_keys (id, user_id, name, hash, scopes, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &key.id,
            &user,
            &key.name,
            hash,
            &scopes,
            &key.created_at,
            &key.expires_at,
        ],
    )
    .await
    .map(drop)
}

/// How many keys `user` has.
pub(crate) async fn count(tx: &mut Tx, user: UserId) -> Result<i64, Error> {
    tx.fetch_one("SELECT count(*) FROM api_keys WHERE user_id = $1", &[&user])
        .await
}

/// Keys of `user`, newest first, before `before`.
pub(crate) async fn list(
    db: &Db,
    user: UserId,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>, Error> {
    db.fetch_all(
        "SELECT id, name, scopes, created_at, expires_at, last_used_at FROM api_keys \
         WHERE user_id = $1 AND (CAST($2 AS UUID) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        &[&user, &before, &limit],
    )
    .await
}

/// The key with this id, if its owner's account is not disabled.
pub(crate) async fn check(db: &Db, id: ApiKeyId) -> Result<Option<KeyCheck>, Error> {
    let sql = "SELECT k.user_id, k.hash, k.scopes, k.expires_at, k.last_used_at FROM api_keys k \
               JOIN accounts a ON a.id = k.user_id WHERE k.id = $1 AND a.disabled_at IS NULL";
    db.fetch_optional(sql, &[&id]).await
}

/// Notes that the key was used.
pub(crate) async fn touch(tx: &mut Tx, id: ApiKeyId) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.execute(
        "UPDATE api_keys SET last_used_at = $2 WHERE id = $1",
        &[&id, &now],
    )
    .await
    .map(drop)
}

/// Removes a key of `user`, and returns its hash; none if there is none such.
pub(crate) async fn remove(tx: &mut Tx, user: UserId, id: ApiKeyId) -> Result<Option<Vec<u8>>, Error> {
    let sql = "DELETE FROM api_keys WHERE id = $1 AND user_id = $2 RETURNING hash";
    tx.fetch_optional(sql, &[&id, &user]).await
}

/// A key that was removed.
#[derive(FromRow)]
pub(crate) struct Removed {
    pub(crate) id: ApiKeyId,
    pub(crate) hash: Vec<u8>,
}

/// Removes every key of `user`.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<Vec<Removed>, Error> {
    tx.fetch_all(
        "DELETE FROM api_keys WHERE user_id = $1 RETURNING id, hash",
        &[&user],
    )
    .await
}
