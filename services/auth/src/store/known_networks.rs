//! Networks from which accounts have signed in.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use stoa_db::{Db, Error, Tx};
use stoa_kernel::{Timestamp, UserId, network_of};

use crate::lockout::{Familiarity, address_of};

/// Networks and addresses of one account that count as known.
const MOST: i64 = 100;

/// What is kept of an account's network, and of its address. Made of what the caller says, so that one who has no account takes
/// the same way.
fn fingerprints(account: &str, address: IpAddr) -> [[u8; 32]; 2] {
    [
        Sha256::digest(format!("{}\n{account}", network_of(address))).into(),
        Sha256::digest(format!("address {}\n{account}", address_of(address))).into(),
    ]
}

/// Whether the account has signed in from this address, or from its network. `account`: the key of its address.
pub(crate) async fn familiarity_of(db: &Db, account: &str, address: IpAddr) -> Result<Familiarity, Error> {
    let [of_network, of_address] = fingerprints(account, address);
    let known: Vec<Vec<u8>> = db
        .fetch_all(
            "SELECT network FROM known_networks WHERE network IN ($1, $2)",
            &[&of_network, &of_address],
        )
        .await?;
    Ok(if known.iter().any(|known| *known == of_address) {
        Familiarity::KnownAddress
    } else if known.is_empty() {
        Familiarity::Elsewhere
    } else {
        Familiarity::KnownNetwork
    })
}

/// Notes that the account has signed in from this address. Beyond [`MOST`] the ones that were unused for longest are forgotten.
pub(crate) async fn remember(tx: &mut Tx, user: UserId, account: &str, address: IpAddr) -> Result<(), Error> {
    let [of_network, of_address] = fingerprints(account, address);
    let now = tx.clock().now();
    tx.execute(
        "INSERT INTO known_networks (network, user_id, last_used_at) VALUES ($1, $3, $4), ($2, $3, $4) \
         ON CONFLICT (network) DO UPDATE SET user_id = excluded.user_id, last_used_at = excluded.last_used_at",
        &[&of_network, &of_address, &user, &now],
    )
    .await?;
    let oldest = "DELETE FROM known_networks WHERE network IN (SELECT network FROM known_networks WHERE user_id = $1 \
                  AND network NOT IN ($2, $3) ORDER BY last_used_at DESC LIMIT 20 OFFSET $4)";
    tx.execute(oldest, &[&user, &of_network, &of_address, &(MOST - 2)])
        .await
        .map(drop)
}

/// Forgets every network of the account.
pub(crate) async fn remove_all(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM known_networks WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}

/// When the account last signed in from each of its networks and addresses. A network and its newest address have one time.
pub(crate) async fn used_at(db: &Db, user: UserId) -> Result<Vec<Timestamp>, Error> {
    db.fetch_all(
        "SELECT DISTINCT last_used_at FROM known_networks WHERE user_id = $1 ORDER BY last_used_at DESC",
        &[&user],
    )
    .await
}
