//! The histories of channels.

use stoa_db::{Db, Error, FromRow, List, Tx};
use stoa_events::Channel;
use stoa_kernel::{Id, Page, PageRequest, Timestamp, UserId};

/// Label of a message's id.
pub(crate) enum MessageTag {}
/// Names a message; later ones are greater.
pub(crate) type MessageId = Id<MessageTag>;

/// A message of a channel, without which channel it is of.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct MessageRow {
    pub(crate) position: i64,
    pub(crate) id: MessageId,
    pub(crate) event: String,
    /// JSON.
    pub(crate) data: String,
    pub(crate) sender_id: Option<UserId>,
    pub(crate) created_at: Timestamp,
}

/// That something was published.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Arrival {
    pub(crate) id: MessageId,
    pub(crate) channel: String,
    pub(crate) position: i64,
}

const COLUMNS: &str = "position, id, event, data, sender_id, created_at";

pub(crate) async fn insert(
    tx: &mut Tx,
    channel: &Channel,
    row: &MessageRow,
    expires_at: Timestamp,
) -> Result<(), Error> {
    let sql = "INSERT INTO messages (channel, position, id, event, data, sender_id, created_at, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    tx.execute(
        sql,
        &[
            &channel.as_str(),
            &row.position,
            &row.id,
            &row.event,
            &row.data,
            &row.sender_id,
            &row.created_at,
            &expires_at,
        ],
    )
    .await
    .map(drop)
}

/// The messages behind an offset, in order: `limit` at most, whose data has at most so many bytes together. The first of them in any case.
pub(crate) async fn after(
    db: &Db,
    channel: &Channel,
    offset: i64,
    limit: u32,
    bytes: usize,
) -> Result<Vec<MessageRow>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT {COLUMNS}, SUM(OCTET_LENGTH(data)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS bytes \
         FROM messages WHERE channel = $1 AND position > $2 ORDER BY position LIMIT $3) AS summed \
         WHERE bytes <= $4 OR bytes = OCTET_LENGTH(data)"
    );
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let mut rows: Vec<MessageRow> = db
        .fetch_all(&sql, &[&channel.as_str(), &offset, &limit, &bytes])
        .await?;
    // As a rule they are in order already, and SQLite would sort them all the same.
    rows.sort_unstable_by_key(|row| row.position);
    Ok(rows)
}

/// Newest first.
pub(crate) async fn list(db: &Db, channel: &Channel, page: &PageRequest) -> Result<Page<MessageRow>, Error> {
    List::of("messages", COLUMNS)
        .filter("channel = $", channel.as_str())
        .order(&["position"], stoa_db::Direction::Descending)
        .page(db, page, |row: &MessageRow| row.position)
        .await
}

/// What was published behind this id, whatever the channel, in the order of ids.
pub(crate) async fn published_after(db: &Db, id: MessageId, limit: u32) -> Result<Vec<Arrival>, Error> {
    let sql = "SELECT id, channel, position FROM messages WHERE id > $1 ORDER BY id LIMIT $2";
    db.fetch_all(sql, &[&id, &limit]).await
}

/// The time by PostgreSQL's clock, which all processes share.
pub(crate) async fn database_now(db: &Db) -> Result<Timestamp, Error> {
    db.fetch_one("SELECT clock_timestamp()", &[]).await
}

/// Deletes the oldest of a channel, up to this offset, `limit` at most.
pub(crate) async fn trim(tx: &mut Tx, channel: &Channel, offset: i64, limit: i64) -> Result<(), Error> {
    let sql = "DELETE FROM messages WHERE channel = $1 AND position IN \
               (SELECT position FROM messages WHERE channel = $1 AND position <= $2 ORDER BY position LIMIT $3)";
    tx.execute(sql, &[&channel.as_str(), &offset, &limit])
        .await
        .map(drop)
}

/// Deletes at most `limit` of a channel; returns how many.
pub(crate) async fn delete_some(tx: &mut Tx, channel: &Channel, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM messages WHERE channel = $1 AND position IN \
               (SELECT position FROM messages WHERE channel = $1 ORDER BY position LIMIT $2)";
    tx.execute(sql, &[&channel.as_str(), &limit]).await
}

/// Takes the text and the name of their sender from at most `limit` messages of a person; returns how many. The messages themselves stay, or
/// those who come back would miss them.
pub(crate) async fn blank(tx: &mut Tx, sender: UserId, limit: u32) -> Result<u64, Error> {
    let sql = "UPDATE messages SET data = 'null', sender_id = NULL WHERE sender_id = $1 AND id IN \
               (SELECT id FROM messages WHERE sender_id = $1 LIMIT $2)";
    tx.execute(sql, &[&sender, &limit]).await
}

/// Deletes at most `limit` messages whose time is over; returns how many.
pub(crate) async fn purge(db: &Db, now: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM messages WHERE (channel, position) IN \
               (SELECT channel, position FROM messages WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    db.execute(sql, &[&now, &limit]).await
}
