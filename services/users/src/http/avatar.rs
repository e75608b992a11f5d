//! Avatars: set, deleted, shown.

use axum::{
    extract::{FromRequest, Multipart, Request, State, multipart::MultipartError},
    http::{HeaderName, StatusCode, header},
};
use bytes::Bytes;
use image::ImageFormat;
use stoa_http::{Actor, Anyone, Failure, Path, Result, Upload, codes, refuse_encoded};
use stoa_kernel::UserId;
use stoa_objects::ObjectError;
use utoipa::ToSchema;

use super::{
    me::{Tagged, tagged},
    scopes::ProfileWrite,
    view::UsersProfile,
};
use crate::{
    ctx::Ctx,
    error::Error,
    ops::{avatar, picture},
};

/// A form with the picture in it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only describes the form")]
pub(super) struct UsersAvatarForm {
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
}

/// Set your picture.
///
/// PNG, JPEG, WebP or GIF, as the body itself or as the field `file` of a form. What it is, its bytes say; the media type may be
/// another image's, `application/octet-stream`, or none. It is kept as a small square without anything that was written into the file
/// beside the picture.
#[utoipa::path(
    put, path = "/api/v1/users/me/avatar", tags = ["users"], operation_id = "users_set_avatar",
    request_body(content(
        ("image/png"), ("image/jpeg"), ("image/webp"), ("image/gif"), (UsersAvatarForm = "multipart/form-data")
    )),
    responses((status = 200, description = "Your profile as it is now", body = UsersProfile, headers(("etag" = String, description = "The new version"))))
)]
pub(super) async fn set(
    actor: Actor<ProfileWrite>,
    State(ctx): State<Ctx>,
    request: Request,
) -> Result<Tagged> {
    let bytes = received(request).await?;
    if bytes.len() > ctx.config.avatar_max_bytes {
        let detail = format!("At most {} bytes are accepted.", ctx.config.avatar_max_bytes);
        return Err(Failure::new(codes::TOO_LARGE).detail(detail));
    }
    Ok(tagged(avatar::set(&ctx, &actor, format(&bytes)?, bytes).await?))
}

/// What the bytes are.
fn format(bytes: &[u8]) -> Result<ImageFormat> {
    picture::format_of(bytes)
        .ok_or_else(|| Error::ImageUnreadable("its first bytes are of no accepted format".to_owned()).into())
}

/// Refuses what is said to be no picture. Clients that do not know say nothing, or that it is some bytes.
fn may_be_picture(content_type: &str) -> Result<()> {
    let media_type = content_type.split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    let bytes = ["", "application/octet-stream", "binary/octet-stream"];
    let picture = media_type.starts_with("image/") && !media_type.starts_with("image/svg");
    if picture || bytes.contains(&&*media_type) {
        return Ok(());
    }
    Err(Failure::new(codes::UNSUPPORTED_MEDIA_TYPE).detail("Send a PNG, JPEG, WebP or GIF."))
}

/// The picture, whichever way it was sent.
async fn received(request: Request) -> Result<Bytes> {
    refuse_encoded(request.headers())?;
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data")) {
        // What is no picture is not read to its end.
        may_be_picture(content_type.unwrap_or_default())?;
        return Ok(Upload::from_request(request, &()).await?.bytes);
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| Failure::new(codes::MALFORMED).detail(error.body_text()))?;
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() == Some("file") {
            may_be_picture(field.content_type().unwrap_or_default())?;
            return field.bytes().await.map_err(malformed);
        }
    }
    Err(Failure::invalid(
        "file",
        "missing_field",
        "This field is required",
    ))
}

fn malformed(error: MultipartError) -> Failure {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(codes::TOO_LARGE);
    }
    Failure::new(codes::MALFORMED)
        .detail("The form cannot be read.")
        .cause(error.body_text())
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

type Picture = ([(HeaderName, &'static str); 4], Bytes);

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
    if !avatar::is_file(&file) {
        return Err(Failure::new(codes::NOT_FOUND));
    }
    let bytes = ctx
        .objects
        .get(&avatar::object_key(user, &file))
        .await
        .map_err(|error| match error {
            ObjectError::NotFound => Failure::new(codes::NOT_FOUND),
            other => Failure::internal(other),
        })?;
    let headers = [
        (header::CONTENT_TYPE, "image/png"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    Ok((headers, bytes))
}
