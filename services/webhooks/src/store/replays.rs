//! Replays that are not finished.

use stoa_db::{Error, FromRow, ToValue, Tx};
use uuid::Uuid;

use super::messages::MessageId;
use crate::events::EndpointId;

/// A row of `replays`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct ReplayRow {
    pub(crate) id: Uuid,
    pub(crate) only_failed: bool,
    /// The last message that was looked at.
    pub(crate) position: MessageId,
    /// Messages that were sent again so far.
    pub(crate) sent: u32,
}

/// Begins one; false if another of the endpoint is not finished.
pub(crate) async fn insert(tx: &mut Tx, endpoint: EndpointId, row: &ReplayRow) -> Result<bool, Error> {
    let sql = "INSERT INTO replays (endpoint_id, id, only_failed, position, sent) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (endpoint_id) DO NOTHING";
    let params: [&dyn ToValue; 5] = [&endpoint, &row.id, &row.only_failed, &row.position, &row.sent];
    Ok(tx.execute(sql, &params).await? > 0)
}

pub(crate) async fn find(tx: &mut Tx, endpoint: EndpointId) -> Result<Option<ReplayRow>, Error> {
    let sql = "SELECT id, only_failed, position, sent FROM replays WHERE endpoint_id = $1";
    tx.fetch_optional(sql, &[&endpoint]).await
}

/// Keeps how far it has come.
pub(crate) async fn save(tx: &mut Tx, endpoint: EndpointId, row: &ReplayRow) -> Result<(), Error> {
    let sql = "UPDATE replays SET position = $2, sent = $3 WHERE endpoint_id = $1";
    tx.execute(sql, &[&endpoint, &row.position, &row.sent])
        .await
        .map(drop)
}

pub(crate) async fn delete(tx: &mut Tx, endpoint: EndpointId) -> Result<(), Error> {
    tx.execute("DELETE FROM replays WHERE endpoint_id = $1", &[&endpoint])
        .await
        .map(drop)
}
