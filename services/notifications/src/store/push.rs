//! Browsers and phones that push messages go to, what became of a delivery at each, and the installation's key.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, SessionId, Timestamp, UserId};

use super::deliveries::DeliveryId;

/// Label of a subscription's id.
pub(crate) enum PushTag {}
/// Names a subscription.
pub(crate) type PushId = Id<PushTag>;

/// A row of `push_subscriptions`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PushRow {
    pub(crate) id: PushId,
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) kind: String,
    pub(crate) service: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) address_hash: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

/// What a subscription is of.
pub(crate) mod kind {
    /// A browser.
    pub(crate) const WEB: &str = "web";
    /// A phone.
    pub(crate) const FCM: &str = "fcm";
}

/// What became of a delivery at one subscription.
pub(crate) mod state {
    /// The push service has it.
    pub(crate) const SENT: &str = "sent";
    /// It was refused for good.
    pub(crate) const FAILED: &str = "failed";
    /// The subscription had ended.
    pub(crate) const GONE: &str = "gone";
}

const COLUMNS: &str = "id, user_id, session_id, kind, service, sealed, address_hash, created_at";

/// At most so many of a person.
pub(crate) async fn of_user(db: &Db, user: UserId, limit: u32) -> Result<Vec<PushRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM push_subscriptions WHERE user_id = $1 ORDER BY id LIMIT $2");
    db.fetch_all(&sql, &[&user, &limit]).await
}

/// The one of this address, whosever it is.
pub(crate) async fn by_address(db: &Db, hash: &[u8]) -> Result<Option<PushRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM push_subscriptions WHERE address_hash = $1");
    db.fetch_optional(&sql, &[&hash]).await
}

/// The same, as the transaction sees it.
pub(crate) async fn find_by_address(tx: &mut Tx, hash: &[u8]) -> Result<Option<PushRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM push_subscriptions WHERE address_hash = $1");
    tx.fetch_optional(&sql, &[&hash]).await
}

/// Writes a new one; false if another one has its address.
pub(crate) async fn insert(tx: &mut Tx, row: &PushRow) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO push_subscriptions ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (address_hash) DO NOTHING"
    );
    let params: [&dyn ToValue; 8] = [
        &row.id,
        &row.user_id,
        &row.session_id,
        &row.kind,
        &row.service,
        &row.sealed,
        &row.address_hash,
        &row.created_at,
    ];
    Ok(tx.execute(&sql, &params).await? > 0)
}

/// Gives one new keys, and another session.
pub(crate) async fn renew(tx: &mut Tx, id: PushId, session: SessionId, sealed: &[u8]) -> Result<(), Error> {
    let sql = "UPDATE push_subscriptions SET session_id = $2, sealed = $3, renewed_at = $4 WHERE id = $1";
    let now = tx.clock().now();
    tx.execute(sql, &[&id, &session, &sealed, &now]).await.map(drop)
}

/// Deletes one of a person's; false if they have none of this id.
pub(crate) async fn delete(tx: &mut Tx, user: UserId, id: PushId) -> Result<bool, Error> {
    let sql = "DELETE FROM push_subscriptions WHERE id = $1 AND user_id = $2";
    Ok(tx.execute(sql, &[&id, &user]).await? > 0)
}

/// Deletes those that a session has made; how many there were.
pub(crate) async fn delete_of_session(tx: &mut Tx, session: SessionId) -> Result<u64, Error> {
    let sql = "DELETE FROM push_subscriptions WHERE session_id = $1";
    tx.execute(sql, &[&session]).await
}

/// Deletes those of a person that were registered until then, of the few that there are; how many there were.
pub(crate) async fn delete_until(tx: &mut Tx, user: UserId, until: Timestamp) -> Result<u64, Error> {
    let sql = "DELETE FROM push_subscriptions WHERE user_id = $1 AND COALESCE(renewed_at, created_at) <= $2";
    tx.execute(sql, &[&user, &until]).await
}

/// Deletes all of a person's: there are few.
pub(crate) async fn delete_of(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "DELETE FROM push_subscriptions WHERE user_id = $1";
    tx.execute(sql, &[&user]).await.map(drop)
}

/// Notes that a session was ended.
pub(crate) async fn end_session(tx: &mut Tx, session: SessionId, until: Timestamp) -> Result<(), Error> {
    let sql =
        "INSERT INTO ended_sessions (session_id, until) VALUES ($1, $2) ON CONFLICT (session_id) DO NOTHING";
    tx.execute(sql, &[&session, &until]).await.map(drop)
}

/// Whether a session was ended.
pub(crate) async fn is_ended(tx: &mut Tx, session: SessionId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM ended_sessions WHERE session_id = $1)";
    tx.fetch_one(sql, &[&session]).await
}

/// Deletes at most so many sessions of which no access token is about any more.
pub(crate) async fn delete_ended(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM ended_sessions WHERE session_id IN (SELECT session_id FROM ended_sessions WHERE until < $1 ORDER BY until LIMIT $2)";
    tx.execute(sql, &[&now, &limit]).await
}

/// What became of a delivery so far.
pub(crate) async fn done(db: &Db, delivery: DeliveryId) -> Result<Vec<(PushId, String)>, Error> {
    let sql = "SELECT subscription_id, state FROM push_sends WHERE delivery_id = $1";
    db.fetch_all(sql, &[&delivery]).await
}

/// Notes what became of a delivery at one subscription.
pub(crate) async fn set_done(
    tx: &mut Tx,
    delivery: DeliveryId,
    id: PushId,
    state: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO push_sends (delivery_id, subscription_id, state) VALUES ($1, $2, $3) \
               ON CONFLICT (delivery_id, subscription_id) DO NOTHING";
    tx.execute(sql, &[&delivery, &id, &state]).await.map(drop)
}

/// All is done: nothing of it is needed any more.
pub(crate) async fn delete_done(tx: &mut Tx, delivery: DeliveryId) -> Result<(), Error> {
    let sql = "DELETE FROM push_sends WHERE delivery_id = $1";
    tx.execute(sql, &[&delivery]).await.map(drop)
}

/// The installation's key, sealed.
pub(crate) async fn vapid_key(db: &Db) -> Result<Option<Vec<u8>>, Error> {
    db.fetch_optional("SELECT sealed FROM vapid_keys WHERE id = 1", &[])
        .await
}

/// Keeps a key, unless there is one.
pub(crate) async fn insert_vapid_key(tx: &mut Tx, sealed: &[u8]) -> Result<(), Error> {
    let sql =
        "INSERT INTO vapid_keys (id, sealed, created_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING";
    let now = tx.clock().now();
    tx.execute(sql, &[&sealed, &now]).await.map(drop)
}
