//! Whose credentials were revoked lately.

use stoa_db::{Error, Tx};
use stoa_kernel::{Timestamp, UserId};

/// Notes when a person's credentials were revoked; the latest time counts.
pub(crate) async fn note(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO revocations (user_id, revoked_at) VALUES ($1, $2) \
               ON CONFLICT (user_id) DO UPDATE SET revoked_at = excluded.revoked_at \
               WHERE revocations.revoked_at < excluded.revoked_at";
    tx.execute(sql, &[&user, &at]).await.map(drop)
}

/// Whether they were revoked at this time or later.
pub(crate) async fn any_since(tx: &mut Tx, user: UserId, time: Timestamp) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM revocations WHERE user_id = $1 AND revoked_at >= $2)";
    tx.fetch_one(sql, &[&user, &time]).await
}

/// Deletes what is noted of a person.
pub(crate) async fn delete(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM revocations WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}

/// Deletes at most so many of before a time; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM revocations WHERE user_id IN \
               (SELECT user_id FROM revocations WHERE revoked_at < $1 ORDER BY revoked_at, user_id LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
