//! One's own profile.

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, header},
};
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, IfMatch, Json, Result, etag};
use utoipa::ToSchema;

use super::{
    scopes::{ProfileRead, ProfileWrite},
    text,
    view::UsersProfile,
};
use crate::{
    ctx::Ctx,
    ops::profile::{self, Change, Patch},
    store::profiles::ProfileRow,
};

/// A profile, and its version as the entity tag.
pub(super) type Tagged = ([(HeaderName, HeaderValue); 1], Json<UsersProfile>);

pub(super) fn tagged(row: ProfileRow) -> Tagged {
    ([(header::ETAG, etag(row.version))], Json(row.into()))
}

/// Your own profile.
///
/// It is there from the moment you have registered.
#[utoipa::path(
    get, path = "/api/v1/users/me", tags = ["users"], operation_id = "users_read_me",
    responses((status = 200, description = "Your profile", body = UsersProfile, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn read(actor: Actor<ProfileRead>, State(ctx): State<Ctx>) -> Result<Tagged> {
    Ok(tagged(profile::own(&ctx, actor.user_id).await?))
}

/// What is to be changed. A field that is absent stays; null, or a text of nothing but space, clears it. Space around a
/// text is dropped.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UsersUpdateProfile {
    #[serde(default, deserialize_with = "text::given")]
    #[garde(custom(text::name))]
    #[schema(value_type = Option<String>, max_length = 100)]
    first_name: Change,
    #[serde(default, deserialize_with = "text::given")]
    #[garde(custom(text::name))]
    #[schema(value_type = Option<String>, max_length = 100)]
    last_name: Change,
    /// May have several lines.
    #[serde(default, deserialize_with = "text::given")]
    #[garde(custom(text::bio))]
    #[schema(value_type = Option<String>, max_length = 2000)]
    bio: Change,
}

/// Change your own profile.
///
/// With `If-Match` the change is made only if nobody has changed the profile since you read it.
#[utoipa::path(
    patch, path = "/api/v1/users/me", tags = ["users"], operation_id = "users_update_me",
    params(("if-match" = Option<String>, Header, description = "The etag of the profile that you read")),
    request_body = UsersUpdateProfile,
    responses((status = 200, description = "The profile as it is now", body = UsersProfile, headers(("etag" = String, description = "The new version"))))
)]
pub(super) async fn update(
    actor: Actor<ProfileWrite>,
    State(ctx): State<Ctx>,
    IfMatch(expected): IfMatch,
    Json(body): Json<UsersUpdateProfile>,
) -> Result<Tagged> {
    let patch = Patch {
        first_name: body.first_name,
        last_name: body.last_name,
        bio: body.bio,
    };
    Ok(tagged(profile::update(&ctx, &actor, &patch, &expected).await?))
}
