//! The messages of an endpoint, and where each stands.

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, Failure, Json, Paged, Path, Result, codes};
use stoa_kernel::Page;

use super::{
    access::{self, WebhooksRead},
    view::{WebhooksDelivery, WebhooksDeliveryState, WebhooksMessage},
};
use crate::{
    ctx::Ctx,
    error::Error,
    events::EndpointId,
    ops::body,
    store::{
        deliveries as store,
        messages::{self, MessageId},
    },
};

/// Which messages are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessageFilter {
    /// Those in this state.
    #[garde(skip)]
    #[param(inline)]
    state: Option<WebhooksDeliveryState>,
}

/// List messages.
///
/// Those that the endpoint was or is to be sent, newest event first. A message by itself has the body as well.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{endpoint_id}/messages", tags = ["webhooks"], operation_id = "webhooks_list_messages",
    params(("endpoint_id" = uuid::Uuid, Path), Paged<MessageFilter>),
    responses((status = 200, description = "A page of messages", body = Page<WebhooksDelivery>))
)]
pub(super) async fn list(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
    Path(id): Path<EndpointId>,
    Paged { filter, page }: Paged<MessageFilter>,
) -> Result<Json<Page<WebhooksDelivery>>> {
    access::endpoint(&ctx, &actor, WebhooksRead::ACTION, id).await?;
    let state = filter.state.map(WebhooksDeliveryState::name);
    let rows = store::list(&ctx.db, id, state, &page).await?;
    let ids: Vec<_> = rows.items.iter().map(|row| row.message_id).collect();
    let messages = messages::of_ids(&ctx.db, &ids).await?;
    Ok(Json(rows.map(|row| {
        let message = messages.iter().find(|message| message.id == row.message_id);
        WebhooksDelivery::new(row, message)
    })))
}

/// A message, with the body that is sent.
#[utoipa::path(
    get, path = "/api/v1/webhooks/endpoints/{endpoint_id}/messages/{message_id}", tags = ["webhooks"],
    operation_id = "webhooks_read_message",
    params(("endpoint_id" = uuid::Uuid, Path), ("message_id" = uuid::Uuid, Path)),
    responses((status = 200, description = "The message", body = WebhooksMessage))
)]
pub(super) async fn read(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
    Path((id, message)): Path<(EndpointId, MessageId)>,
) -> Result<Json<WebhooksMessage>> {
    access::endpoint(&ctx, &actor, WebhooksRead::ACTION, id).await?;
    let delivery = store::get(&ctx.db, id, message).await?;
    let found = delivery.zip(messages::get(&ctx.db, message).await?);
    let (delivery, message) = found.ok_or_else(|| Failure::new(codes::NOT_FOUND))?;
    let sent = serde_json::from_str(&body::of(&message)?);
    Ok(Json(WebhooksMessage {
        delivery: WebhooksDelivery::new(delivery, Some(&message)),
        body: sent.map_err(|e| Error::Internal(e.to_string()))?,
    }))
}
