//! Items.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Paged, Result, is_line, scope};
use stoa_kernel::{Page, Timestamp, text};
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    events::ItemId,
    ops,
    store::items::{self as store, ItemRow},
};

scope!(
    /// Reading one's own items.
    pub(super) ItemsRead = "__name___items.read"
);
scope!(
    /// Making items.
    pub(super) ItemsWrite = "__name___items.write"
);

/// An item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct __Name__Item {
    #[schema(value_type = String, format = Uuid)]
    id: ItemId,
    name: String,
    #[schema(value_type = String, format = DateTime)]
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

/// List your items
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/__name__/items", tags = ["__name__"], operation_id = "__name___list_items",
    params(Paged),
    responses((status = 200, description = "A page of items", body = Page<__Name__Item>))
)]
pub(super) async fn list(
    actor: Actor<ItemsRead>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<__Name__Item>>> {
    let items = store::list(&ctx.db, actor.user_id, &page).await?;
    Ok(Json(items.map(__Name__Item::from)))
}

/// What an item is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct __Name__CreateItem {
    #[garde(custom(is_name))]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

fn is_name(name: &str, (): &()) -> garde::Result {
    is_line(name, 100)
}

/// Make an item
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
    let made = ops::items::create(&ctx, &actor, name).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}
