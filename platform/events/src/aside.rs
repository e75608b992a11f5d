//! What the bus would not take, and what it brought that is no event: kept as dead letters, so that they hold up nobody.

use std::hash::Hash;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use stoa_db::{Error, Tx};
use stoa_kernel::{Id, Timestamp};

use crate::{
    EventId,
    store::{self, NewEvent, OutboxRow},
};

/// The queue of events that the bus will never take.
const REFUSED: &str = "bus.refused";
/// The queue of what arrived and is no event.
const UNREADABLE: &str = "bus.unreadable";
/// How much is kept of what is no event.
const MOST_KEPT: usize = 64 * 1024;

/// All that it takes to tell an event once more.
#[derive(Serialize, Deserialize)]
struct RefusedEvent {
    name: String,
    key: String,
    data: String,
    time: Timestamp,
    traceparent: Option<String>,
}

/// Whether the rows of this queue are no work of any handler.
pub(crate) fn is_aside(queue: &str) -> bool {
    queue == REFUSED || queue == UNREADABLE
}

/// Keeps an event that the bus refused, with the reason.
pub(crate) async fn refuse(tx: &mut Tx, event: &OutboxRow, reason: &str) -> Result<(), Error> {
    let kept = RefusedEvent {
        name: event.name.clone(),
        key: event.key.clone(),
        data: event.data.clone(),
        time: event.time,
        traceparent: event.traceparent.clone(),
    };
    let payload = serde_json::to_string(&kept).map_err(|e| Error::Engine(e.to_string()))?;
    let source = tx.service().to_owned();
    store::insert_dead(tx, REFUSED, event.id, Some(&event.key), &payload, &source, reason).await
}

/// Keeps what is no event, with the reason. It is known again by its bytes.
pub(crate) async fn bury(tx: &mut Tx, body: &[u8], reason: &str) -> Result<(), Error> {
    let mut hasher = SipHasher13::new();
    body.hash(&mut hasher);
    let id = uuid::Builder::from_custom_bytes(hasher.finish128().as_bytes()).into_uuid();
    let mut text = String::from_utf8_lossy(body).replace('\0', "\u{fffd}");
    text.truncate(text.floor_char_boundary(MOST_KEPT));
    store::insert_dead(tx, UNREADABLE, Id::from_uuid(id), None, &text, "bus", reason).await
}

/// Tells an event that was refused once more. False if there is none such, or if it is no event.
pub(crate) async fn replay(tx: &mut Tx, queue: &str, id: EventId) -> Result<bool, Error> {
    if queue != REFUSED {
        return Ok(false);
    }
    let sql = "DELETE FROM jobs WHERE queue = $1 AND id = $2 AND state = 'dead' RETURNING payload";
    let Some(payload) = tx.fetch_optional::<String>(sql, &[&queue, &id]).await? else {
        return Ok(false);
    };
    let event: RefusedEvent = serde_json::from_str(&payload)
        .map_err(|e| Error::Engine(format!("the refused event cannot be read: {e}")))?;
    let row = NewEvent {
        id,
        name: &event.name,
        key: &event.key,
        data: &event.data,
        time: event.time,
        traceparent: event.traceparent.as_deref(),
    };
    store::insert_outbox(tx, &row).await?;
    Ok(true)
}
