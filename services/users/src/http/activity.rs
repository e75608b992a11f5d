//! One's own activity log.

use axum::extract::State;
use stoa_http::{Actor, Json, Paged, Result};
use stoa_kernel::Page;

use super::{scopes::ActivityRead, view::UsersActivity};
use crate::{ctx::Ctx, store};

/// What happened to your data, newest first.
///
/// Your own changes, and who looked at your profile and when.
#[utoipa::path(
    get, path = "/api/v1/users/me/activity", tags = ["users"], operation_id = "users_list_activity",
    params(Paged),
    responses((status = 200, description = "A page of your activity", body = Page<UsersActivity>))
)]
pub(super) async fn list(
    actor: Actor<ActivityRead>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<UsersActivity>>> {
    let entries = store::activity::list(&ctx.db, actor.user_id, &page).await?;
    Ok(Json(entries.map(UsersActivity::from)))
}
