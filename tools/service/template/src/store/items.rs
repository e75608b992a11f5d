//! Items.

use stoa_db::{Db, Error, FromRow, List, Tx};
use stoa_kernel::{Page, PageRequest, Timestamp, UserId};

use crate::events::ItemId;

/// A row of `items`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ItemRow {
    pub(crate) id: ItemId,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
}

/// Those of the person, newest first.
pub(crate) async fn list(db: &Db, user: UserId, page: &PageRequest) -> Result<Page<ItemRow>, Error> {
    List::of("items", "id, name, created_at")
        .filter("user_id = $", user)
        .page(db, page, |row: &ItemRow| row.id)
        .await
}

/// How many the person has, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, user: UserId, most: u32) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT id FROM items WHERE user_id = $1 LIMIT $2) AS theirs";
    tx.fetch_one(sql, &[&user, &most]).await
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, user: UserId, row: &ItemRow) -> Result<(), Error> {
    let sql = "INSERT INTO items (id, user_id, name, created_at) VALUES ($1, $2, $3, $4)";
    tx.execute(sql, &[&row.id, &user, &row.name, &row.created_at])
        .await
        .map(drop)
}

/// Deletes all that the person has.
pub(crate) async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM items WHERE user_id = $1", &[&user])
        .await
        .map(drop)
}

/// Deletes so many of those from before a time; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM items WHERE id IN (SELECT id FROM items WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
