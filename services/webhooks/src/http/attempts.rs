//! What was sent, and what was answered.

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, Failure, Json, Paged, Path, Result, codes};
use stoa_kernel::Page;

use super::{
    access::{self, WebhooksRead},
    view::{WebhooksAttempt, WebhooksAttemptDetail},
};
use crate::{
    ctx::Ctx,
    error::Error,
    events::EndpointId,
    ops::body,
    store::{
        attempts::{self as store, AttemptId, Which},
        messages::{self, MessageId},
    },
};

/// Which attempts are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AttemptFilter {
    /// Those to send this message.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    message_id: Option<MessageId>,
    /// Those that succeeded, or those that failed.
    #[garde(skip)]
    succeeded: Option<bool>,
}

/// List attempts.
///
/// Newest first. An attempt by itself has the bodies as well.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{endpoint_id}/attempts", tags = ["webhooks"], operation_id = "webhooks_list_attempts",
    params(("endpoint_id" = uuid::Uuid, Path), Paged<AttemptFilter>),
    responses((status = 200, description = "A page of attempts", body = Page<WebhooksAttempt>))
)]
pub(super) async fn list(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
    Paged { filter, page }: Paged<AttemptFilter>,
) -> Result<Json<Page<WebhooksAttempt>>> {
    access::endpoint(&ctx, &actor, WebhooksRead::ACTION, id).await?;
    let which = Which {
        message: filter.message_id,
        succeeded: filter.succeeded,
    };
    let attempts = store::list(&ctx.db, id, which, &page).await?;
    Ok(Json(attempts.map(|row| WebhooksAttempt::from(&row))))
}

/// An attempt, with what was sent and what was answered.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{endpoint_id}/attempts/{attempt_id}", tags = ["webhooks"],
    operation_id = "webhooks_read_attempt",
    params(("endpoint_id" = uuid::Uuid, Path), ("attempt_id" = uuid::Uuid, Path)),
    responses((status = 200, description = "The attempt", body = WebhooksAttemptDetail))
)]
pub(super) async fn read(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
    Path((id, attempt)): Path<(EndpointId, AttemptId)>,
) -> Result<Json<WebhooksAttemptDetail>> {
    access::endpoint(&ctx, &actor, WebhooksRead::ACTION, id).await?;
    let row = store::get(&ctx.db, id, attempt).await?;
    let row = row.ok_or_else(|| Failure::new(codes::NOT_FOUND))?;
    let message = messages::get(&ctx.db, row.message_id).await?;
    let sent = message.as_ref().map(body::of).transpose()?;
    let request_body = sent.map(|sent| serde_json::from_str(&sent)).transpose();
    Ok(Json(WebhooksAttemptDetail {
        attempt: (&row).into(),
        request_body: request_body.map_err(|e| Error::Internal(e.to_string()))?,
        response_body: row.response,
        response_truncated: row.is_truncated,
    }))
}
