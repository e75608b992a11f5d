//! The picture of an organization: set, deleted, shown.

use axum::extract::{Request, State};
use stoa_http::{Actor, Anyone, Path, Person, Result, endpoints};
use stoa_kernel::OrganizationId;
use stoa_pictures::{Picture, PictureForm, offered, received};
use utoipa_axum::router::OpenApiRouter;

use super::{AuthOrganization, Tagged, tagged};
use crate::{ctx::Ctx, ops::organizations::picture};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(set, delete).merge(endpoints!(read))
}

/// Set the picture of an organization.
///
/// For owners and admins. PNG, JPEG, WebP or GIF, as the body itself or as the field `file` of a form. The format is read from the bytes; the
/// media type may be another image's, `application/octet-stream`, or none. It is kept as a small square without anything that was written
/// into the file beside the picture. A WebP or GIF may have fewer pixels than a PNG or JPEG. Send one picture at a time: 429 while another one
/// of yours is being decoded.
#[utoipa::path(
    put, path = "/api/v1/auth/organizations/{id}/picture", tags = ["auth"], operation_id = "auth_set_organization_picture",
    params(("id" = uuid::Uuid, Path, description = "The organization")),
    request_body(content(
        ("image/png"), ("image/jpeg"), ("image/webp"), ("image/gif"), (PictureForm = "multipart/form-data")
    )),
    responses((status = 200, description = "The organization as it is now", body = AuthOrganization, headers(("etag" = String, description = "The new version"))))
)]
async fn set(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    request: Request,
) -> Result<Tagged> {
    picture::may_change(&ctx, &actor, id).await?;
    let bytes = received(request, ctx.config.organizations.picture_max_bytes).await?;
    Ok(tagged(picture::set(&ctx, &actor, id, bytes).await?))
}

/// Delete the picture of an organization.
///
/// For owners and admins.
#[utoipa::path(
    delete, path = "/api/v1/auth/organizations/{id}/picture", tags = ["auth"], operation_id = "auth_delete_organization_picture",
    params(("id" = uuid::Uuid, Path, description = "The organization")),
    responses((status = 200, description = "The organization as it is now", body = AuthOrganization, headers(("etag" = String, description = "The new version"))))
)]
async fn delete(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
) -> Result<Tagged> {
    Ok(tagged(picture::delete(&ctx, &actor, id).await?))
}

/// The picture of an organization.
///
/// Anybody who knows the address may see it, so that pages can show it; the address is in the organization, cannot be guessed, and is a new
/// one for each picture. While the organization is deleted the picture is not found.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}/picture/{hash}", tags = ["auth"], operation_id = "auth_read_organization_picture",
    params(
        ("id" = uuid::Uuid, Path, description = "The organization"),
        ("hash" = String, Path, pattern = "^[0-9a-f]{64}\\.png$"),
    ),
    responses((status = 200, description = "The picture", content(("image/png"))))
)]
async fn read(
    _: Anyone,
    State(ctx): State<Ctx>,
    Path((id, file)): Path<(OrganizationId, String)>,
) -> Result<Picture> {
    Ok(offered(picture::read(&ctx, id, &file).await?))
}
