//! The lock of each owner, and which of them were erased. Making an item and erasing its owner both begin here, so one waits for the other.

use stoa_db::{Error, Tx};
use stoa_kernel::Owner;

/// Locks the owner until the transaction ends. False if they were erased.
pub(crate) async fn lock(tx: &mut Tx, owner: Owner) -> Result<bool, Error> {
    let sql = "INSERT INTO owners (kind, id, is_erased) VALUES ($1, $2, FALSE) \
               ON CONFLICT (kind, id) DO UPDATE SET is_erased = FALSE WHERE NOT owners.is_erased";
    Ok(tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await? > 0)
}

/// Locks the owner, and notes that they were erased.
pub(crate) async fn erase(tx: &mut Tx, owner: Owner) -> Result<(), Error> {
    let sql = "INSERT INTO owners (kind, id, is_erased) VALUES ($1, $2, TRUE) ON CONFLICT (kind, id) DO UPDATE SET is_erased = TRUE";
    tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await.map(drop)
}
