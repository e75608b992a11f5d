//! What led to a delivery being sent or not, in words.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, Timestamp};
use stoa_service::Channel;

use super::deliveries::DeliveryId;

/// Label of a step's id.
pub(crate) enum StepTag {}

/// Steps of one delivery that are shown: some of each channel, and twelve attempts.
const SHOWN: u32 = 200;

/// A row of `steps`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct StepRow {
    pub(crate) channel: String,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) created_at: Timestamp,
}

/// Writes one down.
pub(crate) async fn insert(
    tx: &mut Tx,
    delivery: DeliveryId,
    channel: Channel,
    code: &str,
    text: &str,
) -> Result<(), Error> {
    let sql = "INSERT INTO steps (id, delivery_id, channel, code, text, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let (id, now): (Id<StepTag>, _) = (tx.new_id(), tx.clock().now());
    let params: [&dyn ToValue; 6] = [&id, &delivery, &channel.name(), &code, &text, &now];
    tx.execute(sql, &params).await.map(drop)
}

/// Those of a delivery, in the order in which they were made.
pub(crate) async fn of(db: &Db, delivery: DeliveryId) -> Result<Vec<StepRow>, Error> {
    let sql = "SELECT channel, code, text, created_at FROM steps WHERE delivery_id = $1 ORDER BY id LIMIT $2";
    db.fetch_all(sql, &[&delivery, &SHOWN]).await
}
