//! Who is on a channel.

use axum::extract::State;
use serde::Serialize;
use stoa_events::Channel;
use stoa_http::{Actor, Failure, Json, Paged, Path, Result, codes};
use stoa_kernel::{Page, Timestamp, UserId};
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    ops::access::{self, Wish},
    scopes::RealtimeRead,
    store::{self, presence::PresentRow},
};

/// Somebody who is on a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RealtimePresent {
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    /// Since when, without an interruption that was worth telling.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

impl From<PresentRow> for RealtimePresent {
    fn from(row: PresentRow) -> Self {
        Self {
            user_id: row.user_id,
            since: row.since,
        }
    }
}

/// Who is on a channel.
///
/// Those who have subscribed and say that they are there, by whichever connection, in no order that means anything.
#[utoipa::path(
    get, path = "/api/v1/realtime/channels/{channel}/presence", tags = ["realtime"], operation_id = "realtime_list_presence",
    params(
        ("channel" = String, Path, pattern = "^[a-z][a-z0-9_]*:[A-Za-z0-9_.:@-]+$", max_length = 128, example = "organization:01a1fd28-cedf-7b1c-9a3e-5f9f7a2d4c11"),
        Paged
    ),
    responses((status = 200, description = "A page of those who are there", body = Page<RealtimePresent>))
)]
pub(super) async fn list(
    actor: Actor<RealtimeRead>,
    State(ctx): State<Ctx>,
    Path(channel): Path<Channel>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<RealtimePresent>>> {
    let allowed = access::allow(&ctx, &actor.principal, &channel, Wish::Follow).await?;
    if !allowed.info.presence {
        return Err(Failure::new(codes::NOT_FOUND).detail("It is not kept who is on this channel."));
    }
    let rows = store::presence::list(&ctx.db, &channel, &page).await?;
    Ok(Json(rows.map(RealtimePresent::from)))
}
