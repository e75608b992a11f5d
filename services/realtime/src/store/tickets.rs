//! Tickets.

use stoa_db::{Db, Error, Tx};
use stoa_kernel::{Timestamp, UserId};

pub(crate) async fn insert(
    db: &Db,
    hash: &[u8],
    sealed: &[u8],
    user: UserId,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO tickets (hash, sealed, user_id, expires_at) VALUES ($1, $2, $3, $4)";
    db.execute(sql, &[&hash, &sealed, &user, &expires_at])
        .await
        .map(drop)
}

/// Takes a ticket away; of several who try one has it. None if there is none, or its time is over.
pub(crate) async fn take(tx: &mut Tx, hash: &[u8], now: Timestamp) -> Result<Option<Vec<u8>>, Error> {
    let sql = "DELETE FROM tickets WHERE hash = $1 AND expires_at > $2 RETURNING sealed";
    tx.fetch_optional(sql, &[&hash, &now]).await
}

/// Deletes at most `limit` whose time is over; returns how many.
pub(crate) async fn purge(db: &Db, now: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM tickets WHERE hash IN \
               (SELECT hash FROM tickets WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    db.execute(sql, &[&now, &limit]).await
}

pub(crate) async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM tickets WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}
