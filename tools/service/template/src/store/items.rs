//! Items: who has them, in which order, and how they are deleted in batches.

use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Owner, Page, PageRequest, Timestamp};

use crate::events::ItemId;

/// A row of `items`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ItemRow {
    pub(crate) id: ItemId,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
}

/// Those of the owner, newest first.
pub(crate) async fn list(db: &Db, owner: Owner, page: &PageRequest) -> Result<Page<ItemRow>, Error> {
    List::of("items", "id, name, created_at")
        .filter("owner_kind = $", owner.kind())
        .filter("owner_id = $", owner.uuid())
        .page(db, page, |row: &ItemRow| row.id)
        .await
}

/// How many the owner has, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, owner: Owner, most: u32) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT id FROM items WHERE owner_kind = $1 AND owner_id = $2 LIMIT $3) AS theirs";
    tx.fetch_one(sql, &[&owner.kind(), &owner.uuid(), &most]).await
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, owner: Owner, row: &ItemRow) -> Result<(), Error> {
    let sql = "INSERT INTO items (id, owner_kind, owner_id, name, created_at) VALUES ($1, $2, $3, $4, $5)";
    let params: [&dyn ToValue; 5] = [&row.id, &owner.kind(), &owner.uuid(), &row.name, &row.created_at];
    tx.execute(sql, &params).await.map(drop)
}

/// Deletes at most so many that the owner has; how many there were.
pub(crate) async fn delete_of(tx: &mut Tx, owner: Owner, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM items WHERE id IN (SELECT id FROM items WHERE owner_kind = $1 AND owner_id = $2 LIMIT $3)";
    tx.execute(sql, &[&owner.kind(), &owner.uuid(), &limit]).await
}

/// Deletes so many of those from before a time; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM items WHERE id IN (SELECT id FROM items WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
