//! Addresses that nothing is sent to but what is critical.

use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Id, Page, PageRequest, Timestamp};
use stoa_service::Channel;

/// Label of a suppression's id.
pub(crate) enum SuppressionTag {}
/// Names a suppression.
pub(crate) type SuppressionId = Id<SuppressionTag>;

/// A row of `suppressions`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SuppressionRow {
    pub(crate) id: SuppressionId,
    pub(crate) channel: String,
    pub(crate) reason: String,
    pub(crate) masked: String,
    pub(crate) created_at: Timestamp,
}

const COLUMNS: &str = "id, channel, reason, masked, created_at";

/// Why an address is suppressed, if it is.
pub(crate) async fn find(db: &Db, channel: Channel, hash: &[u8]) -> Result<Option<SuppressionRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM suppressions WHERE channel = $1 AND address_hash = $2");
    db.fetch_optional(&sql, &[&channel.name(), &hash]).await
}

/// All of them, newest first.
pub(crate) async fn list(db: &Db, page: &PageRequest) -> Result<Page<SuppressionRow>, Error> {
    List::of("suppressions", COLUMNS)
        .page(db, page, |row: &SuppressionRow| row.id)
        .await
}

/// Suppresses an address; false if it is already, whatever for.
pub(crate) async fn insert(
    tx: &mut Tx,
    channel: Channel,
    (hash, masked): (&[u8], &str),
    reason: &str,
) -> Result<bool, Error> {
    let sql = "INSERT INTO suppressions (channel, address_hash, reason, masked, created_at, id) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (channel, address_hash) DO NOTHING";
    let (id, now): (SuppressionId, _) = (tx.new_id(), tx.clock().now());
    let params: [&dyn ToValue; 6] = [&channel.name(), &hash, &reason, &masked, &now, &id];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Has an address sent to again; false if it was not suppressed.
pub(crate) async fn delete(tx: &mut Tx, channel: Channel, hash: &[u8]) -> Result<bool, Error> {
    let sql = "DELETE FROM suppressions WHERE channel = $1 AND address_hash = $2";
    Ok(tx.execute(sql, &[&channel.name(), &hash]).await? > 0)
}

/// Deletes at most so many of before a time; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM suppressions WHERE id IN (SELECT id FROM suppressions WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
