//! What providers have reported of messages.

use stoa_db::{Error, Tx};
use stoa_kernel::Timestamp;

/// Notes that this was reported; false if it was before.
pub(crate) async fn insert(tx: &mut Tx, key: &[u8]) -> Result<bool, Error> {
    let sql = "INSERT INTO provider_events (key, created_at) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    let now = tx.clock().now();
    Ok(tx.execute(sql, &[&key, &now]).await? > 0)
}

/// Deletes at most so many of before a time; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM provider_events WHERE key IN (SELECT key FROM provider_events WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
