//! Sending because somebody asks for it: a sample, one message again, all since a time again.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Path, Result};
use stoa_kernel::Timestamp;
use utoipa::ToSchema;

use super::access::{self, WebhooksWrite};
use crate::{ctx::Ctx, events::EndpointId, filters, ops, store::messages::MessageId};

/// Which sample is sent.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksSendTest {
    /// The event type; if absent, the first that the endpoint wants.
    #[serde(default)]
    #[garde(skip)]
    #[schema(example = "profile.updated")]
    event_type: Option<String>,
}

/// The message that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksTestMessage {
    /// Its attempt is at `…/attempts?message_id=`.
    #[schema(value_type = String, format = Uuid)]
    message_id: MessageId,
}

/// Send a sample.
///
/// Once, also to an endpoint that is disabled. Nothing follows for the endpoint if it fails.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints/{endpoint_id}/test", tags = ["webhooks"], operation_id = "webhooks_send_test",
    params(("endpoint_id" = uuid::Uuid, Path)),
    request_body = WebhooksSendTest,
    responses((status = 202, description = "It is on its way", body = WebhooksTestMessage))
)]
pub(super) async fn test(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
    Json(body): Json<WebhooksSendTest>,
) -> Result<(StatusCode, Json<WebhooksTestMessage>)> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    let mut known = ctx.catalogue.of(row.owner());
    let kind = match &body.event_type {
        Some(name) => known.find(|event| event.name == name),
        None => known.find(|event| filters::want(&row.events.0, event.name)),
    };
    let unknown = || Failure::invalid("event_type", "unknown_event", "There is no such event type");
    let kind = kind.ok_or_else(unknown)?.name;
    let message_id = ops::test_message::send(&ctx, &actor, &row, kind).await?;
    Ok((StatusCode::ACCEPTED, Json(WebhooksTestMessage { message_id })))
}

/// Send one message again.
///
/// At once, and later again if that fails, as if it were new. `409 webhook_endpoint_disabled`: nothing is sent to the endpoint.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints/{endpoint_id}/messages/{message_id}/retry", tags = ["webhooks"],
    operation_id = "webhooks_retry_message",
    params(("endpoint_id" = uuid::Uuid, Path), ("message_id" = uuid::Uuid, Path)),
    responses((status = 202, description = "It is on its way"))
)]
pub(super) async fn retry(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path((id, message)): Path<(EndpointId, MessageId)>,
) -> Result<StatusCode> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    ops::retry::retry(&ctx, &actor, &row, message).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What is sent again.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksReplay {
    /// What happened at this time or later.
    #[serde(deserialize_with = "time")]
    #[garde(skip)]
    since: Timestamp,
    /// Only what the endpoint was to be sent and has not got.
    #[serde(default)]
    #[garde(skip)]
    only_failed: bool,
}

fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Timestamp, D::Error> {
    let time = stoa_http::time::optional(deserializer)?;
    time.ok_or_else(|| {
        serde::de::Error::custom("invalid type: null, expected a time such as 2026-01-31T12:00:00Z")
    })
}

/// A replay that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksReplayStarted {
    id: uuid::Uuid,
}

/// Send all since a time again.
///
/// All that is kept and that the endpoint wants, oldest first: also what it has missed while it was disabled, if another endpoint of yours was
/// sent it. What is on its way already is left out. At most as many as the settings say. `409 webhook_replay_running`: another replay of
/// this endpoint is not finished.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints/{endpoint_id}/replay", tags = ["webhooks"], operation_id = "webhooks_replay",
    params(("endpoint_id" = uuid::Uuid, Path)),
    request_body = WebhooksReplay,
    responses((status = 202, description = "It has begun", body = WebhooksReplayStarted))
)]
pub(super) async fn replay(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
    Json(body): Json<WebhooksReplay>,
) -> Result<(StatusCode, Json<WebhooksReplayStarted>)> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    let id = ops::replay::begin(&ctx, &actor, &row, body.since, body.only_failed).await?;
    Ok((StatusCode::ACCEPTED, Json(WebhooksReplayStarted { id })))
}
