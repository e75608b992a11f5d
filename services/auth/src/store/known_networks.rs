//! Networks from which accounts have signed in.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use stoa_db::{Db, Error, Tx};
use stoa_kernel::{Timestamp, UserId};

use crate::lockout::network_of;

/// What is kept of an account's network. Made of what the caller says, so that one who has no account takes the same way.
pub(crate) fn fingerprint(account: &str, address: IpAddr) -> [u8; 32] {
    Sha256::digest(format!("{}\n{account}", network_of(address))).into()
}

/// Whether the account has signed in from this network.
pub(crate) async fn is_known(db: &Db, fingerprint: &[u8; 32]) -> Result<bool, Error> {
    let found: Option<i64> = db
        .fetch_optional(
            "SELECT CAST(1 AS BIGINT) FROM known_networks WHERE network = $1",
            &[fingerprint],
        )
        .await?;
    Ok(found.is_some())
}

/// Notes that the account has signed in from this network.
pub(crate) async fn remember(tx: &mut Tx, user: UserId, fingerprint: &[u8; 32]) -> Result<(), Error> {
    let now = tx.clock().now();
    tx.execute(
        "INSERT INTO known_networks (network, user_id, last_used_at) VALUES ($1, $2, $3) \
         ON CONFLICT (network) DO UPDATE SET user_id = excluded.user_id, last_used_at = excluded.last_used_at",
        &[fingerprint, &user, &now],
    )
    .await
    .map(drop)
}

/// Forgets networks that were not used since.
pub(crate) async fn purge(tx: &mut Tx, unused_since: Timestamp) -> Result<(), Error> {
    tx.execute(
        "DELETE FROM known_networks WHERE last_used_at < $1",
        &[&unused_since],
    )
    .await
    .map(drop)
}

/// When the account last signed in from each of its networks.
pub(crate) async fn used_at(db: &Db, user: UserId) -> Result<Vec<Timestamp>, Error> {
    db.fetch_all(
        "SELECT last_used_at FROM known_networks WHERE user_id = $1 ORDER BY last_used_at DESC",
        &[&user],
    )
    .await
}
