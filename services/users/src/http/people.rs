//! Other people's profiles.

use axum::extract::State;
use stoa_http::{Actor, Failure, Json, Paged, Path, Result, SignedIn, codes};
use stoa_kernel::{Page, UserId};

use super::{
    me::{Tagged, tagged},
    scopes::UsersRead,
    view::UsersProfile,
};
use crate::{ctx::Ctx, ops::people, store::search::Filter};

/// A person's profile.
///
/// For the person, for those with the permission `users.read`, and for those who were granted it on this profile. All
/// others are refused alike, whether there is such a person or not. The person sees in their activity who looked and when.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}", tags = ["users"], operation_id = "users_read",
    params(("user_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The profile", body = UsersProfile, headers(("etag" = String, description = "The version"))))
)]
pub(super) async fn read(
    actor: Actor<SignedIn>,
    State(ctx): State<Ctx>,
    Path(user): Path<UserId>,
) -> Result<Tagged> {
    if !people::may_read(&ctx, &actor, user).await? {
        return Err(Failure::new(codes::FORBIDDEN));
    }
    Ok(tagged(people::read(&ctx, &actor, user).await?))
}

/// Everybody's profiles.
///
/// Each person on the page sees in their activity who looked and when; the page is one entry of the audit log.
#[utoipa::path(
    get, path = "/api/v1/users", tags = ["users"], operation_id = "users_list",
    params(Paged<Filter>),
    responses((status = 200, description = "A page of profiles", body = Page<UsersProfile>))
)]
pub(super) async fn list(
    actor: Actor<UsersRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<Filter>,
) -> Result<Json<Page<UsersProfile>>> {
    let profiles = people::list(&ctx, &actor, &filter, &page).await?;
    Ok(Json(profiles.map(UsersProfile::from)))
}
