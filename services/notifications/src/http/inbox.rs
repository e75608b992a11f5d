//! One's own inbox.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use stoa_http::{Actor, Json, Paged, Path, Result};
use stoa_kernel::{Page, Timestamp};
use utoipa::ToSchema;

use super::scopes::{InboxRead, InboxWrite};
use crate::{
    ctx::Ctx,
    ops::inbox::{self as ops, Change},
    store::{
        inbox::{self, Filter, ItemId, ItemRow},
        people,
    },
};

/// A notification in an inbox.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsItem {
    #[schema(value_type = String, format = Uuid)]
    id: ItemId,
    #[serde(rename = "type")]
    kind: String,
    category: String,
    title: String,
    /// Text, of one line or several.
    body: String,
    /// Where it leads to, below this server's address.
    #[schema(required, example = "/orders/42")]
    link: Option<String>,
    read: bool,
    archived: bool,
    /// Out of sight until then; unread again after that.
    #[schema(required)]
    snoozed_until: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<ItemRow> for NotificationsItem {
    fn from(row: ItemRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            category: row.category,
            title: row.title,
            body: row.body,
            link: row.link,
            read: row.is_read,
            archived: row.is_archived,
            snoozed_until: row.snoozed_until,
            created_at: row.created_at,
        }
    }
}

/// Your inbox.
///
/// Newest first. What is archived or snoozed is left out, unless it is asked for.
#[utoipa::path(
    get, path = "/api/v1/notifications", tags = ["notifications"], operation_id = "notifications_list_inbox",
    params(Paged<Filter>),
    responses((status = 200, description = "A page of notifications", body = Page<NotificationsItem>))
)]
pub(super) async fn list(
    actor: Actor<InboxRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<Filter>,
) -> Result<Json<Page<NotificationsItem>>> {
    let items = inbox::list(&ctx.db, actor.user_id, &filter, &page).await?;
    Ok(Json(items.map(NotificationsItem::from)))
}

/// How many notifications there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsCount {
    /// Unread ones that are neither archived nor snoozed.
    unread: i64,
    /// All of them.
    total: i64,
}

/// How many notifications your inbox has.
#[utoipa::path(
    get, path = "/api/v1/notifications/count", tags = ["notifications"], operation_id = "notifications_count_inbox",
    responses((status = 200, description = "How many", body = NotificationsCount))
)]
pub(super) async fn count(
    actor: Actor<InboxRead>,
    State(ctx): State<Ctx>,
) -> Result<Json<NotificationsCount>> {
    let person = people::get(&ctx.db, actor.user_id).await?;
    let (unread, total) = person.map_or((0, 0), |person| (person.unread_count, person.inbox_count));
    Ok(Json(NotificationsCount { unread, total }))
}

/// What is to be changed. A field that is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsUpdateItem {
    #[garde(skip)]
    read: Option<bool>,
    #[garde(skip)]
    archived: Option<bool>,
    /// Out of sight until then, within a year. Null shows it again.
    #[garde(skip)]
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    snoozed_until: Option<Option<Timestamp>>,
}

/// Tells a time that is null from one that is absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    stoa_http::time::optional(deserializer).map(Some)
}

/// Mark a notification as read, unread, archived or snoozed.
#[utoipa::path(
    patch, path = "/api/v1/notifications/{id}", tags = ["notifications"], operation_id = "notifications_update_item",
    params(("id" = String, Path, format = Uuid)),
    request_body = NotificationsUpdateItem,
    responses((status = 200, description = "The notification as it is now", body = NotificationsItem))
)]
pub(super) async fn update(
    actor: Actor<InboxWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<ItemId>,
    Json(body): Json<NotificationsUpdateItem>,
) -> Result<Json<NotificationsItem>> {
    let change = Change {
        is_read: body.read,
        is_archived: body.archived,
        snoozed_until: body.snoozed_until,
    };
    let item = ops::change(&ctx, actor.user_id, id, change).await?;
    Ok(Json(item.into()))
}

/// Delete a notification of your inbox.
#[utoipa::path(
    delete, path = "/api/v1/notifications/{id}", tags = ["notifications"], operation_id = "notifications_delete_item",
    params(("id" = String, Path, format = Uuid)),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete(
    actor: Actor<InboxWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<ItemId>,
) -> Result<StatusCode> {
    ops::delete(&ctx, actor.user_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mark all notifications as read.
///
/// Those that are neither archived nor snoozed.
#[utoipa::path(
    post, path = "/api/v1/notifications/read-all", tags = ["notifications"], operation_id = "notifications_read_all",
    responses((status = 204, description = "None is unread"))
)]
pub(super) async fn read_all(actor: Actor<InboxWrite>, State(ctx): State<Ctx>) -> Result<StatusCode> {
    ops::read_all(&ctx, actor.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
