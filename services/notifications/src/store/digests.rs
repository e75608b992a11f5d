//! Mails that several notifications are put into.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, Timestamp, UserId};

use super::{deliveries::DeliveryId, notifications::NotificationId};

/// Label of a digest's id.
pub(crate) enum DigestTag {}
/// Names a digest.
pub(crate) type DigestId = Id<DigestTag>;

/// Opens the digest of a locked person for this time: its id, and whether it is new. None if it is closed already.
pub(crate) async fn open(
    tx: &mut Tx,
    user: UserId,
    due_at: Timestamp,
) -> Result<Option<(DigestId, bool)>, Error> {
    let sql = "SELECT id, is_open FROM digests WHERE user_id = $1 AND due_at = $2";
    if let Some((id, is_open)) = tx
        .fetch_optional::<(DigestId, bool)>(sql, &[&user, &due_at])
        .await?
    {
        return Ok(is_open.then_some((id, false)));
    }
    let id: DigestId = tx.new_id();
    let sql = "INSERT INTO digests (id, user_id, due_at, is_open) VALUES ($1, $2, $3, TRUE)";
    tx.execute(sql, &[&id, &user, &due_at]).await?;
    Ok(Some((id, true)))
}

/// Whose a digest is.
pub(crate) async fn user_of(db: &Db, id: DigestId) -> Result<Option<UserId>, Error> {
    db.fetch_optional("SELECT user_id FROM digests WHERE id = $1", &[&id])
        .await
}

/// Nothing more is put into it.
pub(crate) async fn close(tx: &mut Tx, id: DigestId) -> Result<(), Error> {
    let sql = "UPDATE digests SET is_open = FALSE WHERE id = $1";
    tx.execute(sql, &[&id]).await.map(drop)
}

/// What is in a digest.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Entry {
    pub(crate) delivery_id: DeliveryId,
    pub(crate) notification_id: NotificationId,
    #[row(rename = "type")]
    pub(crate) kind: String,
}

/// At most so many that wait in a digest, the oldest first.
pub(crate) async fn entries(db: &Db, id: DigestId, limit: u32) -> Result<Vec<Entry>, Error> {
    let sql = "SELECT s.delivery_id, d.notification_id, s.type FROM sends s JOIN deliveries d ON d.id = s.delivery_id \
               WHERE s.digest_id = $1 AND s.state = 'digested' ORDER BY s.delivery_id LIMIT $2";
    db.fetch_all(sql, &[&id, &limit]).await
}

/// Deletes at most so many of a person's.
pub(crate) async fn delete_of(tx: &mut Tx, user: UserId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM digests WHERE id IN (SELECT id FROM digests WHERE user_id = $1 LIMIT $2)";
    tx.execute(sql, &[&user, &limit]).await
}

/// Deletes at most so many of before a time.
pub(crate) async fn delete_before(tx: &mut Tx, time: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql =
        "DELETE FROM digests WHERE id IN (SELECT id FROM digests WHERE due_at < $1 ORDER BY due_at LIMIT $2)";
    let params: [&dyn ToValue; 2] = [&time, &limit];
    tx.execute(sql, &params).await
}
