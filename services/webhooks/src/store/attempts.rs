//! Attempts: what was answered, and how long it took.

use stoa_db::{Db, Error, FromRow, List, ToValue, Tx};
use stoa_kernel::{Id, Page, PageRequest, Timestamp};

use super::messages::MessageId;
use crate::events::EndpointId;

/// Label of an attempt's id.
pub(crate) enum AttemptTag {}
/// An attempt's id.
pub(crate) type AttemptId = Id<AttemptTag>;

const COLUMNS: &str =
    "id, message_id, cause, url, succeeded, status, error, response, is_truncated, started_at, duration_ms";

/// A row of `attempts`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct AttemptRow {
    pub(crate) id: AttemptId,
    pub(crate) message_id: MessageId,
    pub(crate) cause: String,
    pub(crate) url: String,
    pub(crate) succeeded: bool,
    pub(crate) status: Option<u32>,
    pub(crate) error: Option<String>,
    pub(crate) response: String,
    pub(crate) is_truncated: bool,
    pub(crate) started_at: Timestamp,
    pub(crate) duration_ms: i64,
}

/// Which attempts are listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which {
    pub(crate) message: Option<MessageId>,
    pub(crate) succeeded: Option<bool>,
}

/// An endpoint's, newest first.
pub(crate) async fn list(
    db: &Db,
    endpoint: EndpointId,
    which: Which,
    page: &PageRequest,
) -> Result<Page<AttemptRow>, Error> {
    let list = List::of("attempts", COLUMNS);
    // A message has few: its index comes first.
    let list = match which.message {
        Some(message) => list
            .filter("message_id = $", message)
            .by_index("attempts_of_message"),
        None => list,
    };
    list.filter("endpoint_id = $", endpoint)
        .filter_some("succeeded = $", which.succeeded)
        .page(db, page, |row: &AttemptRow| row.id)
        .await
}

pub(crate) async fn get(db: &Db, endpoint: EndpointId, id: AttemptId) -> Result<Option<AttemptRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM attempts WHERE id = $1 AND endpoint_id = $2");
    db.fetch_optional(&sql, &[&id, &endpoint]).await
}

pub(crate) async fn insert(tx: &mut Tx, endpoint: EndpointId, row: &AttemptRow) -> Result<(), Error> {
    let sql = "INSERT INTO attempts (endpoint_id, id, message_id, cause, url, succeeded, status, error, response, is_truncated, \
               started_at, duration_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let params: [&dyn ToValue; 12] = [
        &endpoint,
        &row.id,
        &row.message_id,
        &row.cause,
        &row.url,
        &row.succeeded,
        &row.status,
        &row.error,
        &row.response,
        &row.is_truncated,
        &row.started_at,
        &row.duration_ms,
    ];
    tx.execute(sql, &params).await.map(drop)
}

/// Deletes so many that are older than `before`; how many there were.
pub(crate) async fn delete_before(tx: &mut Tx, before: AttemptId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE id < $1 ORDER BY id LIMIT $2)";
    tx.execute(sql, &[&before, &limit]).await
}

/// Deletes so many of an endpoint's; how many there were.
pub(crate) async fn delete_of_endpoint(tx: &mut Tx, endpoint: EndpointId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE endpoint_id = $1 ORDER BY id LIMIT $2)";
    tx.execute(sql, &[&endpoint, &limit]).await
}

/// Deletes so many of a message's; how many there were.
pub(crate) async fn delete_of_message(tx: &mut Tx, message: MessageId, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE message_id = $1 LIMIT $2)";
    tx.execute(sql, &[&message, &limit]).await
}
