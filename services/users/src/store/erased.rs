//! Who was erased.
//!
//! Making a profile and erasing a person exclude each other by the profile's row: whoever makes it inserts the row first
//! and looks here after; whoever erases inserts it as well (so that a maker waits, or is waited for), notes the person
//! here, and then deletes the row.

use stoa_db::{Error, Tx};
use stoa_kernel::{Timestamp, UserId};

/// Whether the person was erased.
pub(crate) async fn contains(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    let found: Option<UserId> = tx
        .fetch_optional("SELECT user_id FROM erased_users WHERE user_id = $1", &[&user])
        .await?;
    Ok(found.is_some())
}

/// Notes that the person was erased; false if that was noted before.
pub(crate) async fn insert(tx: &mut Tx, user: UserId, now: Timestamp) -> Result<bool, Error> {
    let sql =
        "INSERT INTO erased_users (user_id, erased_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING";
    Ok(tx.execute(sql, &[&user, &now]).await? > 0)
}
