//! Items: listing and making them.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Paged, Result, is_line, owned};
use stoa_kernel::{OrganizationId, Page, Timestamp, text};
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    events::ItemId,
    ops,
    store::items::{self as store, ItemRow},
};

owned!(
    /// Reading items.
    pub(super) ItemsRead = "items.read", [Guest, Member, Admin, Owner]
);
owned!(
    /// Making items.
    pub(super) ItemsWrite = "items.write", [Member, Admin, Owner]
);

/// An item, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct __Name__Item {
    #[schema(value_type = String, format = Uuid)]
    id: ItemId,
    name: String,
    created_at: Timestamp,
}

impl From<ItemRow> for __Name__Item {
    fn from(row: ItemRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            created_at: row.created_at,
        }
    }
}

/// Which items are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ItemFilter {
    /// Those of this organization, of which you are a member; your own if absent.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

/// List items.
///
/// Your own, or those of an organization. Newest first.
#[utoipa::path(
    get, path = "/api/v1/__name__/items", tags = ["__name__"], operation_id = "__name___list_items",
    params(Paged<ItemFilter>),
    responses((status = 200, description = "A page of items", body = Page<__Name__Item>))
)]
pub(super) async fn list(
    actor: Actor<ItemsRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<ItemFilter>,
) -> Result<Json<Page<__Name__Item>>> {
    let owner = ctx.access.owner(&actor, filter.organization_id).await?;
    let items = store::list(&ctx.db, owner, &page).await?;
    Ok(Json(items.map(__Name__Item::from)))
}

/// What an item is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct __Name__CreateItem {
    #[garde(custom(is_name))]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The organization that it is made for; you, if absent.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    organization_id: Option<OrganizationId>,
}

fn is_name(name: &str, (): &()) -> garde::Result {
    is_line(name, 100)
}

/// Make an item.
///
/// For yourself, or for an organization. `409 items_full`: there is no room for a further one.
#[utoipa::path(
    post, path = "/api/v1/__name__/items", tags = ["__name__"], operation_id = "__name___create_item",
    request_body = __Name__CreateItem,
    responses((status = 201, description = "The new item", body = __Name__Item))
)]
pub(super) async fn create(
    actor: Actor<ItemsWrite>,
    State(ctx): State<Ctx>,
    Json(body): Json<__Name__CreateItem>,
) -> Result<(StatusCode, Json<__Name__Item>)> {
    let name = text::line(&body.name).unwrap_or_default();
    let owner = ctx.access.owner(&actor, body.organization_id).await?;
    let made = ops::items::create(&ctx, &actor, owner, name).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
