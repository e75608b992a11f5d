//! The event types that endpoints can be given.

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use stoa_events::EventInfo;
use stoa_http::{Actor, Json, Result};
use utoipa::ToSchema;

use super::access::{self, WebhooksRead};
use crate::{ctx::Ctx, owner::EndpointOwner};

/// A type of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksEventType {
    #[schema(example = "profile.updated")]
    name: &'static str,
    /// What has happened.
    description: &'static str,
    /// The JSON Schema of `data` in the body.
    #[schema(value_type = Object)]
    schema: Value,
    /// What `data` may look like.
    #[schema(value_type = Object)]
    sample: Value,
}

impl From<&EventInfo> for WebhooksEventType {
    fn from(event: &EventInfo) -> Self {
        Self {
            name: event.name,
            description: event.about,
            schema: event.schema(),
            sample: event.sample(),
        }
    }
}

/// All event types, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhooksEventTypes {
    items: Vec<WebhooksEventType>,
}

/// The event types that endpoints can be given.
///
/// Those who may have endpoints of the installation see also the ones that only these are given.
#[utoipa::path(
    get, path = "/api/v1/webhooks/event-types", tags = ["webhooks"], operation_id = "webhooks_list_event_types",
    responses((status = 200, description = "All of them, by name", body = WebhooksEventTypes))
)]
pub(super) async fn list(
    actor: Actor<WebhooksRead>,
    State(ctx): State<Ctx>,
) -> Result<Json<WebhooksEventTypes>> {
    let owner = if access::may_all(&actor) {
        EndpointOwner::Installation
    } else {
        EndpointOwner::User(actor.user_id)
    };
    let items = ctx.catalogue.of(owner).map(WebhooksEventType::from).collect();
    Ok(Json(WebhooksEventTypes { items }))
}
