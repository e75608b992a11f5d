//! Messages: events that some endpoint wants.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_events::EventId;
use stoa_kernel::Timestamp;

/// A message's id is that of its event.
pub(crate) type MessageId = EventId;

/// A row of `messages`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct MessageRow {
    pub(crate) id: MessageId,
    #[row(rename = "type")]
    pub(crate) kind: String,
    /// Whom it concerns: `user:<id>`, `organization:<id>`; else the key of the event.
    pub(crate) subject: String,
    /// JSON.
    pub(crate) data: String,
    pub(crate) time: Timestamp,
}

pub(crate) async fn get(db: &Db, id: MessageId) -> Result<Option<MessageRow>, Error> {
    let sql = "SELECT id, type, subject, data, time FROM messages WHERE id = $1";
    db.fetch_optional(sql, &[&id]).await
}

/// Those of these ids that are there.
pub(crate) async fn of_ids(db: &Db, ids: &[MessageId]) -> Result<Vec<MessageRow>, Error> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(get(db, *id).await?);
    }
    Ok(found)
}

/// Keeps it, unless it is there.
pub(crate) async fn insert(tx: &mut Tx, row: &MessageRow) -> Result<(), Error> {
    let sql = "INSERT INTO messages (id, type, subject, data, time) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
    let params: [&dyn ToValue; 5] = [&row.id, &row.kind, &row.subject, &row.data, &row.time];
    tx.execute(sql, &params).await.map(drop)
}

/// Id and type of the next messages after `after`, the oldest first: those of one subject, or of all.
pub(crate) async fn after(
    tx: &mut Tx,
    subject: Option<&str>,
    after: MessageId,
    limit: u32,
) -> Result<Vec<(MessageId, String, String)>, Error> {
    match subject {
        Some(subject) => {
            let sql =
                "SELECT id, type, subject FROM messages WHERE subject = $1 AND id > $2 ORDER BY id LIMIT $3";
            tx.fetch_all(sql, &[&subject, &after, &limit]).await
        }
        None => {
            let sql = "SELECT id, type, subject FROM messages WHERE id > $1 ORDER BY id LIMIT $2";
            tx.fetch_all(sql, &[&after, &limit]).await
        }
    }
}

/// The oldest that are older than `before`.
pub(crate) async fn older_than(tx: &mut Tx, before: MessageId, limit: u32) -> Result<Vec<MessageId>, Error> {
    let sql = "SELECT id FROM messages WHERE id < $1 ORDER BY id LIMIT $2";
    tx.fetch_all(sql, &[&before, &limit]).await
}

/// Those of a subject, but for one.
pub(crate) async fn of_subject(
    db: &Db,
    subject: &str,
    but: MessageId,
    limit: u32,
) -> Result<Vec<MessageId>, Error> {
    let sql = "SELECT id FROM messages WHERE subject = $1 AND id <> $2 ORDER BY id LIMIT $3";
    db.fetch_all(sql, &[&subject, &but, &limit]).await
}

/// Deletes it.
pub(crate) async fn delete(tx: &mut Tx, id: MessageId) -> Result<(), Error> {
    tx.execute("DELETE FROM messages WHERE id = $1", &[&id])
        .await
        .map(drop)
}
