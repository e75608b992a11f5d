//! Events on their way out.

use stoa_db::{Db, Error, ToValue, Tx};
use stoa_kernel::Timestamp;

use super::{OutboxRow, placeholders};
use crate::EventId;

/// Ids of one DELETE; fewer are filled up with the last one, so that there is one statement.
const DELETE_IDS: usize = 64;

/// A row for `outbox`.
pub(crate) struct NewEvent<'a> {
    pub(crate) id: EventId,
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
    pub(crate) data: &'a str,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<&'a str>,
}

pub(crate) async fn insert_outbox(tx: &mut Tx, event: &NewEvent<'_>) -> Result<(), Error> {
    let NewEvent {
        id,
        name,
        key,
        data,
        time,
        traceparent,
    } = event;
    let sql = "INSERT INTO outbox (id, name, key, data, time, traceparent) VALUES ($1, $2, $3, $4, $5, $6) \
        ON CONFLICT (id) DO NOTHING";
    tx.execute(sql, &[id, name, key, data, time, traceparent])
        .await
        .map(drop)
}

pub(crate) async fn read_outbox(db: &Db, most: u32) -> Result<Vec<OutboxRow>, Error> {
    db.fetch_all(
        "SELECT id, name, key, data, time, traceparent FROM outbox ORDER BY id LIMIT $1",
        &[&most],
    )
    .await
}

pub(crate) async fn delete_outbox(tx: &mut Tx, ids: &[EventId]) -> Result<(), Error> {
    let sql = format!("DELETE FROM outbox WHERE id IN ({})", placeholders(1, DELETE_IDS));
    for chunk in ids.chunks(DELETE_IDS) {
        let padded = (0..DELETE_IDS).filter_map(|at| chunk.get(at).or(chunk.last()));
        let params: Vec<&dyn ToValue> = padded.map(|id| id as &dyn ToValue).collect();
        tx.execute(&sql, &params).await?;
    }
    Ok(())
}
