//! What messages are verified with.

use std::time::Duration;

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use stoa_http::{Actor, Json, Path, Result};
use utoipa::ToSchema;

use super::{
    access::{self, WebhooksWrite},
    view::{WebhooksSecret, WebhooksSecrets},
};
use crate::{ctx::Ctx, events::EndpointId, ops::keys};

/// What an endpoint's messages are verified with.
///
/// After a rotation these are several for a while. That you have read them is noted in the audit log.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{endpoint_id}/secret", tags = ["webhooks"], operation_id = "webhooks_read_secret",
    params(("endpoint_id" = uuid::Uuid, Path)),
    responses((status = 200, description = "All that sign now, the newest first", body = WebhooksSecrets))
)]
pub(super) async fn read(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
) -> Result<Json<WebhooksSecrets>> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    let shown = keys::show(&ctx, &actor, &row).await?;
    let items = shown.into_iter().map(WebhooksSecret::from).collect();
    Ok(Json(WebhooksSecrets { items }))
}

/// How a secret is replaced.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksRotateSecret {
    /// Whether the old ones sign no more from now on, because somebody else knows them.
    #[serde(default)]
    #[garde(skip)]
    at_once: bool,
}

/// Replace the secret.
///
/// For a day both the old one and the new one sign, so that the receiver can be changed meanwhile. `409 webhook_secrets_full`: it was
/// replaced too often in that time.
#[utoipa::path(
    post, path = "/api/v1/webhooks/endpoints/{endpoint_id}/rotate", tags = ["webhooks"], operation_id = "webhooks_rotate_secret",
    params(("endpoint_id" = uuid::Uuid, Path)),
    request_body = WebhooksRotateSecret,
    responses((status = 204, description = "The new one is at …/secret"))
)]
pub(super) async fn rotate(
    actor: Actor<WebhooksWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
    Json(body): Json<WebhooksRotateSecret>,
) -> Result<StatusCode> {
    let row = access::endpoint(&ctx, &actor, WebhooksWrite::ACTION, id).await?;
    let overlap = if body.at_once {
        Duration::ZERO
    } else {
        ctx.config.rotation_overlap.0
    };
    keys::rotate(&ctx, &actor, &row, overlap).await?;
    Ok(StatusCode::NO_CONTENT)
}
