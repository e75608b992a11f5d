//! What messages are signed with, sealed.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, Timestamp};

use crate::{events::EndpointId, signature::Signature};

/// Label of a secret's id.
pub(crate) enum SecretTag {}
/// A secret's id.
pub(crate) type SecretId = Id<SecretTag>;

/// A row of `signing_secrets`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SecretRow {
    pub(crate) id: SecretId,
    kind: String,
    pub(crate) sealed: Vec<u8>,
    /// None for the newest.
    pub(crate) expires_at: Option<Timestamp>,
}

impl SecretRow {
    pub(crate) fn new(id: SecretId, kind: Signature, sealed: Vec<u8>) -> Self {
        Self {
            id,
            kind: kind.name().to_owned(),
            sealed,
            expires_at: None,
        }
    }

    pub(crate) fn kind(&self) -> Signature {
        Signature::of_name(&self.kind).unwrap_or(Signature::V1)
    }
}

/// Those that sign now, the newest first.
pub(crate) async fn current(db: &Db, endpoint: EndpointId, now: Timestamp) -> Result<Vec<SecretRow>, Error> {
    let sql = "SELECT id, kind, sealed, expires_at FROM signing_secrets WHERE endpoint_id = $1 \
               AND (expires_at IS NULL OR expires_at > $2) ORDER BY id DESC";
    db.fetch_all(sql, &[&endpoint, &now]).await
}

/// How many there are, expired ones among them, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, endpoint: EndpointId, most: u32) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT id FROM signing_secrets WHERE endpoint_id = $1 LIMIT $2) AS its";
    tx.fetch_one(sql, &[&endpoint, &most]).await
}

pub(crate) async fn insert(tx: &mut Tx, endpoint: EndpointId, row: &SecretRow) -> Result<(), Error> {
    let sql =
        "INSERT INTO signing_secrets (endpoint_id, id, kind, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)";
    let params: [&dyn ToValue; 5] = [&endpoint, &row.id, &row.kind, &row.sealed, &row.expires_at];
    tx.execute(sql, &params).await.map(drop)
}

/// Has those that sign now expire, unless they do before.
pub(crate) async fn expire(tx: &mut Tx, endpoint: EndpointId, at: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE signing_secrets SET expires_at = $2 WHERE endpoint_id = $1 AND (expires_at IS NULL OR expires_at > $2)";
    tx.execute(sql, &[&endpoint, &at]).await.map(drop)
}

pub(crate) async fn delete_of(tx: &mut Tx, endpoint: EndpointId) -> Result<(), Error> {
    let sql = "DELETE FROM signing_secrets WHERE endpoint_id = $1";
    tx.execute(sql, &[&endpoint]).await.map(drop)
}

/// Deletes those of the endpoint that have expired.
pub(crate) async fn delete_expired_of(
    tx: &mut Tx,
    endpoint: EndpointId,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "DELETE FROM signing_secrets WHERE endpoint_id = $1 AND expires_at <= $2";
    tx.execute(sql, &[&endpoint, &now]).await.map(drop)
}

/// Deletes so many that have expired; how many there were.
pub(crate) async fn delete_expired(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM signing_secrets WHERE (endpoint_id, id) IN (SELECT endpoint_id, id FROM signing_secrets \
               WHERE expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, &[&now, &limit]).await
}
