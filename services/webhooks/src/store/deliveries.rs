//! Messages on their way to endpoints.

use stoa_db::{Db, Direction, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Page, PageRequest, Timestamp};

use super::messages::MessageId;
use crate::{events::EndpointId, jobs::Parcel};

/// Where a delivery stands.
pub(crate) const PENDING: &str = "pending";
pub(crate) const DELIVERED: &str = "delivered";
pub(crate) const FAILED: &str = "failed";

/// A row of `deliveries`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct DeliveryRow {
    pub(crate) message_id: MessageId,
    pub(crate) state: String,
    pub(crate) series: i64,
    pub(crate) attempts: u32,
    pub(crate) next_at: Option<Timestamp>,
    pub(crate) cause: String,
    pub(crate) error: Option<String>,
}

const COLUMNS: &str = "message_id, state, series, attempts, next_at, cause, error";

pub(crate) async fn get(
    db: &Db,
    endpoint: EndpointId,
    message: MessageId,
) -> Result<Option<DeliveryRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE endpoint_id = $1 AND message_id = $2");
    db.fetch_optional(&sql, &[&endpoint, &message]).await
}

/// An endpoint's, newest message first.
pub(crate) async fn list(
    db: &Db,
    endpoint: EndpointId,
    state: Option<&'static str>,
    page: &PageRequest,
) -> Result<Page<DeliveryRow>, Error> {
    List::of("deliveries", COLUMNS)
        .filter("endpoint_id = $", endpoint)
        .filter_some("state = $", state)
        .order(&["message_id"], Direction::Descending)
        .page(db, page, |row: &DeliveryRow| row.message_id)
        .await
}

/// A new one, in its first series, to be tried now. False if it is there.
pub(crate) async fn insert(tx: &mut Tx, parcel: Parcel, cause: &str) -> Result<bool, Error> {
    let sql = "INSERT INTO deliveries (endpoint_id, message_id, state, series, attempts, next_at, cause, error) \
               VALUES ($1, $2, 'pending', $3, 0, $4, $5, NULL) ON CONFLICT (endpoint_id, message_id) DO NOTHING";
    let now = tx.clock().now();
    let params: [&dyn ToValue; 5] = [
        &parcel.endpoint_id,
        &parcel.message_id,
        &parcel.series,
        &now,
        &cause,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Begins a new series, of a message that was sent before or not. Returns its number.
pub(crate) async fn begin_again(
    tx: &mut Tx,
    endpoint: EndpointId,
    message: MessageId,
    cause: &str,
) -> Result<i64, Error> {
    let sql = "INSERT INTO deliveries (endpoint_id, message_id, state, series, attempts, next_at, cause, error) \
               VALUES ($1, $2, 'pending', 1, 0, $3, $4, NULL) ON CONFLICT (endpoint_id, message_id) DO UPDATE SET \
               state = 'pending', series = deliveries.series + 1, attempts = 0, next_at = $3, cause = $4, error = NULL \
               RETURNING series";
    let now = tx.clock().now();
    tx.fetch_one(sql, &[&endpoint, &message, &now, &cause]).await
}

/// Locks one until the transaction ends. False if it was deleted.
pub(crate) async fn lock(tx: &mut Tx, parcel: Parcel) -> Result<bool, Error> {
    let sql = "UPDATE deliveries SET cause = cause WHERE endpoint_id = $1 AND message_id = $2";
    Ok(tx
        .execute(sql, &[&parcel.endpoint_id, &parcel.message_id])
        .await?
        > 0)
}

/// The state of a delivery, if there is one.
pub(crate) async fn state(
    tx: &mut Tx,
    endpoint: EndpointId,
    message: MessageId,
) -> Result<Option<String>, Error> {
    let sql = "SELECT state FROM deliveries WHERE endpoint_id = $1 AND message_id = $2";
    tx.fetch_optional(sql, &[&endpoint, &message]).await
}

/// Has one that is on its way tried now. False if it is not on its way.
pub(crate) async fn hurry(tx: &mut Tx, endpoint: EndpointId, message: MessageId) -> Result<bool, Error> {
    let sql = "UPDATE deliveries SET attempts = 0, next_at = $3 WHERE endpoint_id = $1 AND message_id = $2 AND state = 'pending'";
    let now = tx.clock().now();
    Ok(tx.execute(sql, &[&endpoint, &message, &now]).await? > 0)
}

/// Notes an attempt, and what follows from it. False if another series has begun meanwhile.
pub(crate) async fn note(
    tx: &mut Tx,
    parcel: Parcel,
    state: &str,
    next_at: Option<Timestamp>,
    error: Option<&str>,
) -> Result<bool, Error> {
    let sql = "UPDATE deliveries SET state = $4, attempts = attempts + 1, next_at = $5, error = $6 \
               WHERE endpoint_id = $1 AND message_id = $2 AND series = $3 AND state = 'pending'";
    let params: [&dyn ToValue; 6] = [
        &parcel.endpoint_id,
        &parcel.message_id,
        &parcel.series,
        &state,
        &next_at,
        &error,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Gives it up without an attempt.
pub(crate) async fn give_up(tx: &mut Tx, parcel: Parcel, error: &str) -> Result<(), Error> {
    let sql = "UPDATE deliveries SET state = 'failed', next_at = NULL, error = $4 \
               WHERE endpoint_id = $1 AND message_id = $2 AND series = $3 AND state = 'pending'";
    let params: [&dyn ToValue; 4] = [&parcel.endpoint_id, &parcel.message_id, &parcel.series, &error];
    tx.execute(sql, &params).await.map(drop)
}

/// Deletes so many of an endpoint's; how many there were.
pub(crate) async fn delete_of_endpoint(tx: &mut Tx, endpoint: EndpointId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM deliveries WHERE (endpoint_id, message_id) IN \
               (SELECT endpoint_id, message_id FROM deliveries WHERE endpoint_id = $1 LIMIT $2)";
    tx.execute(sql, &[&endpoint, &limit]).await
}

/// Deletes those of a message: as many as there are endpoints that wanted it.
pub(crate) async fn delete_of_message(tx: &mut Tx, message: MessageId) -> Result<u64, Error> {
    tx.execute("DELETE FROM deliveries WHERE message_id = $1", &[&message])
        .await
}
