//! Bytes that are to be deleted and that no other row names.

use stoa_db::{Db, Error, Tx};
use stoa_kernel::Timestamp;

use crate::ids::ChunkId;

/// Notes that these bytes are to be deleted.
pub(crate) async fn insert(tx: &mut Tx, id: ChunkId) -> Result<(), Error> {
    let now = tx.clock().now();
    let sql = "INSERT INTO unused_chunks (id, unused_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    tx.execute(sql, &[&id, &now]).await.map(drop)
}

/// Deletes the note: the bytes are gone.
pub(crate) async fn delete(tx: &mut Tx, id: ChunkId) -> Result<(), Error> {
    tx.execute("DELETE FROM unused_chunks WHERE id = $1", &[&id])
        .await
        .map(drop)
}

/// At most so many that were noted before then, the longest ago first.
pub(crate) async fn before(db: &Db, before: Timestamp, limit: u32) -> Result<Vec<ChunkId>, Error> {
    let sql = "SELECT id FROM unused_chunks WHERE unused_at < $1 ORDER BY unused_at, id LIMIT $2";
    super::in_order(db, sql, &[&before, &limit]).await
}
