//! The keys that access tokens are signed with, sealed.

use stoa_db::{Db, Error, FromRow, Tx};

/// A sealed key.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SealedKey {
    /// Seconds since 1970.
    pub(crate) signs_from: i64,
    pub(crate) sealed: Vec<u8>,
}

/// All keys, in the order in which they sign.
pub(crate) async fn all(db: &Db) -> Result<Vec<SealedKey>, Error> {
    db.fetch_all(
        "SELECT signs_from, sealed FROM signing_keys ORDER BY signs_from",
        &[],
    )
    .await
}

/// Keeps a key, unless there is one that signs from the same moment on.
pub(crate) async fn insert(tx: &mut Tx, key: &SealedKey) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO signing_keys (signs_from, sealed) VALUES ($1, $2) ON CONFLICT (signs_from) DO NOTHING",
        &[&key.signs_from, &key.sealed],
    )
    .await
    .map(drop)
}

/// Forgets a key.
pub(crate) async fn delete(tx: &mut Tx, signs_from: i64) -> Result<(), Error> {
    tx.execute("DELETE FROM signing_keys WHERE signs_from = $1", &[&signs_from])
        .await
        .map(drop)
}
