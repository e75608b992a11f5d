//! Topics that one follows.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use stoa_http::{Actor, Json, Paged, Path, Result};
use stoa_kernel::{Page, Timestamp};
use utoipa::ToSchema;

use super::scopes::{TopicsRead, TopicsWrite};
use crate::{
    ctx::Ctx,
    ops::topics,
    store::followers::{self, FollowedRow},
};

/// A topic that you follow.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsTopic {
    topic: String,
    /// Since when.
    created_at: Timestamp,
}

impl From<FollowedRow> for NotificationsTopic {
    fn from(row: FollowedRow) -> Self {
        Self {
            topic: row.topic,
            created_at: row.created_at,
        }
    }
}

/// The topics that you follow, by name.
#[utoipa::path(
    get, path = "/api/v1/notifications/topics", tags = ["notifications"], operation_id = "notifications_list_topics",
    params(Paged),
    responses((status = 200, description = "A page of topics", body = Page<NotificationsTopic>))
)]
pub(super) async fn list(
    actor: Actor<TopicsRead>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<NotificationsTopic>>> {
    let topics = followers::topics(&ctx.db, actor.user_id, &page).await?;
    Ok(Json(topics.map(NotificationsTopic::from)))
}

/// Follow a topic.
///
/// You get what is sent to it from now on. Anybody may follow any topic. `409 topics_full`: unfollow another first.
#[utoipa::path(
    post, path = "/api/v1/notifications/topics/{topic}/follow", tags = ["notifications"], operation_id = "notifications_follow_topic",
    params(("topic" = String, Path, pattern = "^[a-z0-9_.:-]{1,100}$", example = "release-notes")),
    responses((status = 204, description = "You follow it"))
)]
pub(super) async fn follow(
    actor: Actor<TopicsWrite>,
    State(ctx): State<Ctx>,
    Path(topic): Path<String>,
) -> Result<StatusCode> {
    topics::follow(&ctx, actor.user_id, &topic).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Follow a topic no longer.
#[utoipa::path(
    delete, path = "/api/v1/notifications/topics/{topic}/follow", tags = ["notifications"], operation_id = "notifications_unfollow_topic",
    params(("topic" = String, Path, pattern = "^[a-z0-9_.:-]{1,100}$", example = "release-notes")),
    responses((status = 204, description = "You do not follow it"))
)]
pub(super) async fn unfollow(
    actor: Actor<TopicsWrite>,
    State(ctx): State<Ctx>,
    Path(topic): Path<String>,
) -> Result<StatusCode> {
    topics::unfollow(&ctx, actor.user_id, &topic).await?;
    Ok(StatusCode::NO_CONTENT)
}
