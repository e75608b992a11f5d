//! The inbox of each person.

use garde::Validate;
use serde::Deserialize;
use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Id, Page, PageRequest, Timestamp, UserId};
use utoipa::IntoParams;

use super::deliveries::DeliveryId;

/// Label of an item's id.
pub(crate) enum ItemTag {}
/// Names a notification in an inbox; later ones are greater.
pub(crate) type ItemId = Id<ItemTag>;

/// A row of `inbox`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ItemRow {
    pub(crate) id: ItemId,
    #[row(rename = "type")]
    pub(crate) kind: String,
    pub(crate) category: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) link: Option<String>,
    pub(crate) is_read: bool,
    pub(crate) is_archived: bool,
    pub(crate) snoozed_until: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
}

impl ItemRow {
    /// Whether it is counted: unread and in sight.
    pub(crate) fn counts(&self) -> bool {
        !self.is_read && !self.is_archived && self.snoozed_until.is_none()
    }
}

const COLUMNS: &str =
    "id, type, category, title, body, link, is_read, is_archived, snoozed_until, created_at";

/// Which of the inbox is listed.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Unread ones only, or read ones.
    #[garde(skip)]
    unread: Option<bool>,
    /// What is archived, in place of what is not.
    #[garde(skip)]
    archived: Option<bool>,
    /// What is snoozed, in place of what is in sight.
    #[garde(skip)]
    snoozed: Option<bool>,
    /// Of this category.
    #[garde(length(bytes, max = 100))]
    #[param(max_length = 100)]
    category: Option<String>,
}

/// A page of a person's inbox, newest first. An inbox has a bounded size, so that what a filter leaves out costs little.
pub(crate) async fn list(
    db: &Db,
    user: UserId,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<ItemRow>, Error> {
    let snoozed = match filter.snoozed {
        Some(true) => "snoozed_until IS NOT NULL",
        _ => "snoozed_until IS NULL",
    };
    List::of("inbox", COLUMNS)
        .filter("user_id = $", user)
        .filter("is_archived = $", filter.archived.unwrap_or(false))
        .filter_some("is_read = $", filter.unread.map(|unread| !unread))
        .filter_some("category = $", filter.category.as_deref())
        .and(snoozed)
        .page(db, page, |row: &ItemRow| row.id)
        .await
}

/// What a new item is made of.
pub(crate) struct New<'a> {
    pub(crate) user: UserId,
    pub(crate) delivery: DeliveryId,
    pub(crate) kind: &'a str,
    pub(crate) category: &'a str,
    pub(crate) is_critical: bool,
    pub(crate) title: &'a str,
    pub(crate) body: &'a str,
    pub(crate) link: Option<&'a str>,
}

/// Writes a new one, unread.
pub(crate) async fn insert(tx: &mut Tx, new: &New<'_>) -> Result<ItemRow, Error> {
    let sql = format!(
        "INSERT INTO inbox (id, user_id, delivery_id, type, category, title, body, link, is_read, is_archived, created_at, is_critical) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, FALSE, $9, $10) RETURNING {COLUMNS}"
    );
    let (id, now): (ItemId, _) = (tx.new_id(), tx.clock().now());
    let params: [&dyn ToValue; 10] = [
        &id,
        &new.user,
        &new.delivery,
        &new.kind,
        &new.category,
        &new.title,
        &new.body,
        &new.link,
        &now,
        &new.is_critical,
    ];
    tx.fetch_one(&sql, &params).await
}

/// An item of this person.
pub(crate) async fn find(tx: &mut Tx, user: UserId, id: ItemId) -> Result<Option<ItemRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM inbox WHERE id = $1 AND user_id = $2");
    tx.fetch_optional(&sql, &[&id, &user]).await
}

/// Writes what a person can change of an item.
pub(crate) async fn save(tx: &mut Tx, item: &ItemRow) -> Result<(), Error> {
    let sql = "UPDATE inbox SET is_read = $2, is_archived = $3, snoozed_until = $4 WHERE id = $1";
    tx.execute(
        sql,
        &[&item.id, &item.is_read, &item.is_archived, &item.snoozed_until],
    )
    .await
    .map(drop)
}

/// Marks all as read that a person has in sight.
pub(crate) async fn read_all(tx: &mut Tx, user: UserId) -> Result<u64, Error> {
    let sql = "UPDATE inbox SET is_read = TRUE WHERE user_id = $1 AND NOT is_read AND NOT is_archived AND snoozed_until IS NULL";
    tx.execute(sql, &[&user]).await
}

/// Deletes at most so many of a person's, the oldest; those that were there.
pub(crate) async fn delete_oldest(tx: &mut Tx, user: UserId, limit: i64) -> Result<Vec<ItemRow>, Error> {
    let sql = format!(
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE user_id = $1 ORDER BY id LIMIT $2) RETURNING {COLUMNS}"
    );
    tx.fetch_all(&sql, &[&user, &limit]).await
}

/// The same of those that are not critical.
pub(crate) async fn delete_oldest_ordinary(
    tx: &mut Tx,
    user: UserId,
    limit: i64,
) -> Result<Vec<ItemRow>, Error> {
    let sql = format!(
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE user_id = $1 AND NOT is_critical ORDER BY id LIMIT $2) \
         RETURNING {COLUMNS}"
    );
    tx.fetch_all(&sql, &[&user, &limit]).await
}

/// Deletes the critical ones of a person beyond the newest `keep`, some at a time; those that were there.
pub(crate) async fn delete_critical_beyond(
    tx: &mut Tx,
    user: UserId,
    keep: i64,
) -> Result<Vec<ItemRow>, Error> {
    let sql = format!(
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE user_id = $1 AND is_critical ORDER BY id DESC LIMIT 50 OFFSET $2) \
         RETURNING {COLUMNS}"
    );
    tx.fetch_all(&sql, &[&user, &keep]).await
}

/// Deletes one of a person's; none if it is gone already.
pub(crate) async fn delete(tx: &mut Tx, user: UserId, id: ItemId) -> Result<Option<ItemRow>, Error> {
    let sql = format!("DELETE FROM inbox WHERE id = $1 AND user_id = $2 RETURNING {COLUMNS}");
    tx.fetch_optional(&sql, &[&id, &user]).await
}

/// At most so many of before a time, with whose they are.
pub(crate) async fn before(tx: &mut Tx, time: Timestamp, limit: u32) -> Result<Vec<(UserId, ItemId)>, Error> {
    let sql = "SELECT user_id, id FROM inbox WHERE created_at < $1 ORDER BY created_at LIMIT $2";
    tx.fetch_all(sql, &[&time, &limit]).await
}
