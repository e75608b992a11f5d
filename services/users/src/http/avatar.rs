//! Avatars: set, deleted, shown.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};
use stoa_http::{Actor, Anyone, Path, Result};
use stoa_kernel::UserId;
use stoa_pictures::{Picture, PictureForm, offered, received};

use super::{
    me::{Tagged, tagged},
    scopes::ProfileWrite,
    view::UsersProfile,
};
use crate::{ctx::Ctx, error::Error, ops::avatar};

/// Set your picture.
///
/// PNG, JPEG, WebP or GIF, as the body itself or as the field `file` of a form. The format is read from the bytes; the media type may be
/// another image's, `application/octet-stream`, or none. It is kept as a small square without anything that was written into the file
/// beside the picture. A WebP or GIF may have fewer pixels than a PNG or JPEG. Send one picture at a time: 429 while another one
/// of yours is being decoded.
#[utoipa::path(
    put, path = "/api/v1/users/me/avatar", tags = ["users"], operation_id = "users_set_avatar",
    request_body(content(
        ("image/png"), ("image/jpeg"), ("image/webp"), ("image/gif"), (PictureForm = "multipart/form-data")
    )),
    responses((status = 200, description = "Your profile as it is now", body = UsersProfile, headers(("etag" = String, description = "The new version"))))
)]
pub(super) async fn set(
    actor: Actor<ProfileWrite>,
    State(ctx): State<Ctx>,
    request: Request,
) -> Result<Tagged> {
    let bytes = received(request, ctx.config.avatar_max_bytes).await?;
    Ok(tagged(avatar::set(&ctx, &actor, bytes).await?))
}

/// Delete your picture.
#[utoipa::path(
    delete, path = "/api/v1/users/me/avatar", tags = ["users"], operation_id = "users_delete_avatar",
    responses((status = 204, description = "There is none now"))
)]
pub(super) async fn delete(actor: Actor<ProfileWrite>, State(ctx): State<Ctx>) -> Result<StatusCode> {
    avatar::delete(&ctx, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A person's picture.
///
/// Anybody who knows the address may see it, so that pages can show it; the address is in the profile, cannot be guessed,
/// and is a new one for each picture.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}/avatar/{hash}", tags = ["users"], operation_id = "users_read_avatar",
    params(
        ("user_id" = String, Path, format = Uuid),
        ("hash" = String, Path, pattern = "^[0-9a-f]{64}\\.png$"),
    ),
    responses((status = 200, description = "The picture", content(("image/png"))))
)]
pub(super) async fn read(
    _: Anyone,
    State(ctx): State<Ctx>,
    Path((user, file)): Path<(UserId, String)>,
) -> Result<Picture> {
    let bytes = ctx.avatars.read(user, &file).await.map_err(Error::from)?;
    Ok(offered(bytes))
}
