//! What is to be sent.

use serde_json::{Map, Value};
use stoa_db::{Db, Error, FromRow, Json, ToValue, Tx};
use stoa_kernel::{Id, Timestamp, UserId};
use stoa_notifications_api::Recipients;

/// Label of a notification's id.
pub(crate) enum NotificationTag {}
/// Names a notification: what is sent to one person or many.
pub(crate) type NotificationId = Id<NotificationTag>;

/// A row of `notifications`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct NotificationRow {
    pub(crate) id: NotificationId,
    #[row(rename = "type")]
    pub(crate) kind: String,
    pub(crate) sender: String,
    pub(crate) idempotency_key: String,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) data: Json<Map<String, Value>>,
    pub(crate) recipients: Json<Recipients>,
    pub(crate) state: String,
    pub(crate) send_at: Timestamp,
    pub(crate) position: Option<UserId>,
    pub(crate) recipients_count: i64,
    pub(crate) created_at: Timestamp,
}

/// How far a notification has come.
pub(crate) mod state {
    /// Waits for its time.
    pub(crate) const SCHEDULED: &str = "scheduled";
    /// Goes to one recipient after the other.
    pub(crate) const SENDING: &str = "sending";
    /// All recipients have their delivery.
    pub(crate) const SENT: &str = "sent";
    /// Somebody has stopped it.
    pub(crate) const CANCELLED: &str = "cancelled";
}

const COLUMNS: &str = "id, type, sender, idempotency_key, fingerprint, data, recipients, state, send_at, position, recipients_count, created_at";

/// What a new row is made of.
pub(crate) struct New<'a> {
    pub(crate) kind: &'a str,
    pub(crate) sender: &'a str,
    pub(crate) key: &'a str,
    pub(crate) fingerprint: &'a [u8],
    pub(crate) data: &'a str,
    pub(crate) recipients: &'a Recipients,
    pub(crate) send_at: Timestamp,
}

/// Writes a new one; none if the sender's key has one already.
pub(crate) async fn insert(tx: &mut Tx, new: &New<'_>) -> Result<Option<NotificationRow>, Error> {
    let sql = format!(
        "INSERT INTO notifications (id, type, sender, idempotency_key, fingerprint, data, recipients, user_id, state, send_at, \
         recipients_count, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11) \
         ON CONFLICT (sender, idempotency_key) DO NOTHING RETURNING {COLUMNS}"
    );
    let (id, now): (NotificationId, _) = (tx.new_id(), tx.clock().now());
    let one = match new.recipients {
        Recipients::Users(users) if users.len() == 1 => users.first().copied(),
        _ => None,
    };
    let state = if new.send_at > now {
        state::SCHEDULED
    } else {
        state::SENDING
    };
    let params: [&dyn ToValue; 11] = [
        &id,
        &new.kind,
        &new.sender,
        &new.key,
        &new.fingerprint,
        &new.data,
        &Json::text(new.recipients)?,
        &one,
        &state,
        &new.send_at,
        &now,
    ];
    tx.fetch_optional(&sql, &params).await
}

/// The one with this key of a sender.
pub(crate) async fn by_key(tx: &mut Tx, sender: &str, key: &str) -> Result<Option<NotificationRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM notifications WHERE sender = $1 AND idempotency_key = $2");
    tx.fetch_optional(&sql, &[&sender, &key]).await
}

/// The one with this id.
pub(crate) async fn get(db: &Db, id: NotificationId) -> Result<Option<NotificationRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM notifications WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// The one with this id, locked until the transaction ends, if it still goes out.
pub(crate) async fn begin(tx: &mut Tx, id: NotificationId) -> Result<Option<NotificationRow>, Error> {
    let sql = format!(
        "UPDATE notifications SET state = 'sending' WHERE id = $1 AND state IN ('scheduled', 'sending') RETURNING {COLUMNS}"
    );
    tx.fetch_optional(&sql, &[&id]).await
}

/// Notes how far it has come: to whom last, or to all.
pub(crate) async fn advance(
    tx: &mut Tx,
    id: NotificationId,
    last: Option<UserId>,
    count: usize,
) -> Result<(), Error> {
    let state = if last.is_some() {
        state::SENDING
    } else {
        state::SENT
    };
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let sql = "UPDATE notifications SET state = $2, position = $3, recipients_count = recipients_count + $4 WHERE id = $1";
    tx.execute(sql, &[&id, &state, &last, &count]).await.map(drop)
}

/// Stops one of which something is not sent yet; false if all is, or it is stopped already.
pub(crate) async fn cancel(tx: &mut Tx, id: NotificationId) -> Result<bool, Error> {
    let sql = "UPDATE notifications SET state = 'cancelled' WHERE id = $1 AND (state IN ('scheduled', 'sending') \
         OR (state = 'sent' AND EXISTS (SELECT 1 FROM sends WHERE unsent_of = $1)))";
    Ok(tx.execute(sql, &[&id]).await? == 1)
}

/// Deletes at most so many that went to this person alone; how many there were.
pub(crate) async fn delete_to(tx: &mut Tx, user: UserId, limit: u32) -> Result<u64, Error> {
    let sql =
        "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE user_id = $1 LIMIT $2)";
    tx.execute(sql, &[&user, &limit]).await
}

/// Deletes at most so many of those from before a time that go out no more; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE created_at < $1 \
               AND state IN ('sent', 'cancelled') ORDER BY created_at LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}
