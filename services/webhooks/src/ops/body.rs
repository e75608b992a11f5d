//! The body of a message, as Standard Webhooks has it.

use serde::Serialize;
use serde_json::value::RawValue;
use stoa_kernel::Timestamp;

use crate::{
    error::Error,
    store::messages::{MessageId, MessageRow},
};

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: Timestamp,
    data: &'a RawValue,
}

/// The body: type, time and data of the event. The same by each attempt.
pub(crate) fn of(message: &MessageRow) -> Result<String, Error> {
    let broken = |e: serde_json::Error| Error::Internal(format!("the data of a message: {e}"));
    let body = Body {
        kind: &message.kind,
        timestamp: message.time,
        data: serde_json::from_str(&message.data).map_err(broken)?,
    };
    serde_json::to_string(&body).map_err(broken)
}

/// The header `webhook-id`: the same for each endpoint and by each attempt.
pub(crate) fn webhook_id(message: MessageId) -> String {
    format!("msg_{}", message.uuid().simple())
}
