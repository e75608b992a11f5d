//! What callers are shown.

use serde::Serialize;
use serde_json::Value;
use stoa_kernel::Timestamp;
use utoipa::ToSchema;

use crate::{
    events::{DisabledReason, EndpointId},
    ops::{body, keys::Shown},
    owner::EndpointOwner,
    signature::Signature,
    store::{
        attempts::{AttemptId, AttemptRow},
        deliveries::DeliveryRow,
        endpoints::EndpointRow,
        messages::{MessageId, MessageRow},
    },
};

/// Where messages are sent, and how it does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksEndpoint {
    #[schema(value_type = String, format = Uuid)]
    id: EndpointId,
    /// Whose it is.
    #[schema(inline)]
    owner: EndpointOwner,
    url: String,
    description: String,
    /// Which events it is given.
    events: Vec<String>,
    /// Names of the headers that are sent along; their values are not shown.
    header_names: Vec<String>,
    /// Messages a second at most; null for no limit.
    #[schema(required)]
    rate: Option<u32>,
    ordered: bool,
    signature: Signature,
    enabled: bool,
    /// Why it is disabled.
    #[schema(required)]
    disabled_reason: Option<DisabledReason>,
    /// Since when every attempt has failed.
    #[schema(required)]
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<EndpointRow> for WebhooksEndpoint {
    fn from(row: EndpointRow) -> Self {
        Self {
            id: row.id,
            owner: row.owner(),
            signature: row.signature(),
            disabled_reason: row.disabled_reason(),
            url: row.url,
            description: row.description,
            events: row.events.0,
            header_names: row.header_names.0,
            rate: row.rate,
            ordered: row.is_ordered,
            enabled: row.is_enabled,
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What an endpoint's messages are verified with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksSecret {
    signature: Signature,
    /// `whsec_…`, the secret that both sides know; or `whpk_…`, the public key.
    key: String,
    /// Until when it signs; null for the newest.
    #[schema(required)]
    expires_at: Option<Timestamp>,
}

impl From<Shown> for WebhooksSecret {
    fn from(shown: Shown) -> Self {
        Self {
            signature: shown.kind,
            key: shown.text,
            expires_at: shown.expires_at,
        }
    }
}

/// All that sign now, the newest first: after a rotation more than one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksSecrets {
    pub(super) items: Vec<WebhooksSecret>,
}

/// An event on its way to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksDelivery {
    #[schema(value_type = String, format = Uuid)]
    message_id: MessageId,
    /// What the server is sent as `webhook-id`.
    webhook_id: String,
    /// The event type; null once the message is deleted.
    #[serde(rename = "type")]
    #[schema(required)]
    kind: Option<String>,
    /// When the event happened.
    #[schema(required)]
    timestamp: Option<Timestamp>,
    #[schema(value_type = WebhooksDeliveryState)]
    state: String,
    /// What brought it on its way: `event`, `test`, `retry`, `replay`.
    cause: String,
    /// Attempts since then.
    attempts: u32,
    /// When it is tried again.
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    /// What went wrong last.
    #[schema(required)]
    error: Option<String>,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, serde::Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WebhooksDeliveryState {
    Pending,
    Delivered,
    Failed,
}

impl WebhooksDeliveryState {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl WebhooksDelivery {
    pub(super) fn new(row: DeliveryRow, message: Option<&MessageRow>) -> Self {
        Self {
            webhook_id: body::webhook_id(row.message_id),
            message_id: row.message_id,
            kind: message.map(|message| message.kind.clone()),
            timestamp: message.map(|message| message.time),
            state: row.state,
            cause: row.cause,
            attempts: row.attempts,
            next_attempt_at: row.next_at,
            error: row.error,
        }
    }
}

/// An event on its way to an endpoint, with its body.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksMessage {
    #[serde(flatten)]
    pub(super) delivery: WebhooksDelivery,
    /// The body that is sent.
    #[schema(value_type = Object)]
    pub(super) body: Value,
}

/// One request to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksAttempt {
    #[schema(value_type = String, format = Uuid)]
    id: AttemptId,
    #[schema(value_type = String, format = Uuid)]
    message_id: MessageId,
    /// What brought the message on its way: `event`, `test`, `retry`, `replay`.
    cause: String,
    url: String,
    /// Whether the server answered with a status from 200 to 299.
    succeeded: bool,
    /// The status of the answer.
    #[schema(required)]
    status: Option<u32>,
    /// Why there was no answer.
    #[schema(required)]
    error: Option<String>,
    started_at: Timestamp,
    duration_ms: i64,
}

impl From<&AttemptRow> for WebhooksAttempt {
    fn from(row: &AttemptRow) -> Self {
        Self {
            id: row.id,
            message_id: row.message_id,
            cause: row.cause.clone(),
            url: row.url.clone(),
            succeeded: row.succeeded,
            status: row.status,
            error: row.error.clone(),
            started_at: row.started_at,
            duration_ms: row.duration_ms,
        }
    }
}

/// One request to an endpoint, with what was sent and answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksAttemptDetail {
    #[serde(flatten)]
    pub(super) attempt: WebhooksAttempt,
    /// The body that was sent; null once the message is deleted.
    #[schema(required, value_type = Option<Object>)]
    pub(super) request_body: Option<Value>,
    /// The body of the answer, up to 16 KiB of it.
    pub(super) response_body: String,
    /// Whether there was more of it.
    pub(super) response_truncated: bool,
}
