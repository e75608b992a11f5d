//! The lock of each person, and who was erased. Creating an item and erasing its owner both begin here, so one waits for the other.

use stoa_db::{Error, Tx};
use stoa_kernel::UserId;

/// Locks the person until the transaction ends. False if they were erased.
pub(crate) async fn lock(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    let sql = "INSERT INTO people (user_id, is_erased) VALUES ($1, FALSE) \
               ON CONFLICT (user_id) DO UPDATE SET is_erased = FALSE WHERE NOT people.is_erased";
    Ok(tx.execute(sql, &[&user]).await? > 0)
}

/// Locks the person, and notes that they were erased.
pub(crate) async fn erase(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "INSERT INTO people (user_id, is_erased) VALUES ($1, TRUE) ON CONFLICT (user_id) DO UPDATE SET is_erased = TRUE";
    tx.execute(sql, &[&user]).await.map(drop)
}
