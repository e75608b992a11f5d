//! Copying, moving and restoring objects.

use axum::{extract::State, http::StatusCode};
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, Failure, Json, Path, Result};
use utoipa::ToSchema;

use super::{
    buckets::reached,
    objects::object_path,
    scopes::{ObjectsRead, ObjectsWrite},
    view::StorageObject,
};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::VersionId,
    ops::{
        conditions::{Conditions, Tags},
        copy::{self, Target},
        restore,
    },
    store::{
        buckets::BucketRow,
        versions::{self, VersionRow},
    },
};

/// What goes where.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageCopyObject {
    /// The object's path.
    #[garde(skip)]
    path: String,
    /// Which version is copied; the current one, if absent. Only the current one is moved.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    version_id: Option<VersionId>,
    /// Name of the bucket that it goes to; the same, if absent.
    #[garde(skip)]
    to_bucket: Option<String>,
    /// The path that it goes to.
    #[garde(skip)]
    to_path: String,
    /// Whether it takes the place of what is there: else that is `412 precondition_failed`.
    #[garde(skip)]
    #[serde(default)]
    overwrite: bool,
}

/// The condition that nothing is there, unless it may be replaced.
fn unless(overwrite: bool) -> Conditions {
    Conditions {
        if_none_match: (!overwrite).then_some(Tags::Any),
        ..Conditions::default()
    }
}

/// This version of what is under the path, or the current one.
async fn version(ctx: &Ctx, bucket: &BucketRow, path: &str, id: Option<VersionId>) -> Result<VersionRow> {
    let path = object_path(path)?;
    let found = match id {
        None => versions::current(&ctx.db, bucket.id, &path).await?,
        Some(id) => versions::get(&ctx.db, bucket.id, &path, id).await?,
    };
    found.ok_or_else(|| Error::NotFound.into())
}

/// Where it goes, once it is known to be elsewhere than where it is.
async fn target(
    ctx: &Ctx,
    actor: &Actor<ObjectsWrite>,
    from: &BucketRow,
    body: &StorageCopyObject,
) -> Result<(BucketRow, String)> {
    let to_path =
        crate::path::object(&body.to_path).map_err(|wrong| Failure::invalid("to_path", "invalid", wrong))?;
    let name = body.to_bucket.as_deref().unwrap_or(&from.name);
    let to = reached(ctx, actor, name, ObjectsWrite::ACTION).await?;
    if to.id == from.id && object_path(&body.path)? == to_path && body.version_id.is_none() {
        return Err(Failure::invalid("to_path", "invalid", "It is there already"));
    }
    Ok((to, to_path))
}

fn answer(bucket: &str, (version, is_new): (VersionRow, bool)) -> (StatusCode, Json<StorageObject>) {
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, Json(StorageObject::of(bucket, version)))
}

/// Copy an object.
///
/// Its bytes are not stored again, and count for the bucket that it goes to. An API key needs `objects.read` as well.
#[utoipa::path(
    post, path = "/api/v1/storage/buckets/{bucket}/copy", tags = ["storage"], operation_id = "storage_copy_object",
    params(("bucket" = String, Path, description = "The name of the bucket that it is in")),
    request_body = StorageCopyObject,
    responses(
        (status = 200, description = "It took the place of another", body = StorageObject),
        (status = 201, description = "The copy", body = StorageObject),
    )
)]
pub(super) async fn copy(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Json(body): Json<StorageCopyObject>,
) -> Result<(StatusCode, Json<StorageObject>)> {
    let from = reached(&ctx, &actor, &name, ObjectsRead::ACTION).await?;
    let (to, path) = target(&ctx, &actor, &from, &body).await?;
    let source = version(&ctx, &from, &body.path, body.version_id).await?;
    let conditions = unless(body.overwrite);
    let target = Target {
        bucket: &to,
        path,
        conditions,
    };
    Ok(answer(
        &to.name,
        copy::copy(&ctx, &actor, &from, &source, target).await?,
    ))
}

/// Move an object.
///
/// It stays the same object, with what was granted on it. Older versions stay where they are.
#[utoipa::path(
    post, path = "/api/v1/storage/buckets/{bucket}/move", tags = ["storage"], operation_id = "storage_move_object",
    params(("bucket" = String, Path, description = "The name of the bucket that it is in")),
    request_body = StorageCopyObject,
    responses(
        (status = 200, description = "It took the place of another", body = StorageObject),
        (status = 201, description = "The object where it is now", body = StorageObject),
    )
)]
pub(super) async fn relocate(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Json(body): Json<StorageCopyObject>,
) -> Result<(StatusCode, Json<StorageObject>)> {
    if body.version_id.is_some() {
        return Err(Failure::invalid(
            "version_id",
            "invalid",
            "Only the current version is moved",
        ));
    }
    let from = reached(&ctx, &actor, &name, ObjectsWrite::ACTION).await?;
    let (to, path) = target(&ctx, &actor, &from, &body).await?;
    let source = version(&ctx, &from, &body.path, None).await?;
    let conditions = unless(body.overwrite);
    let target = Target {
        bucket: &to,
        path,
        conditions,
    };
    Ok(answer(
        &to.name,
        copy::relocate(&ctx, &actor, &from, &source, target).await?,
    ))
}

/// Which version is to be the current one again.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageRestoreObject {
    /// The object's path.
    #[garde(skip)]
    path: String,
    #[garde(skip)]
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
}

/// Restore a version.
///
/// An older one, or a deleted one. What is current now becomes an older version, or is gone where the bucket keeps none.
#[utoipa::path(
    post, path = "/api/v1/storage/buckets/{bucket}/restore", tags = ["storage"], operation_id = "storage_restore_object",
    params(("bucket" = String, Path, description = "Its name")),
    request_body = StorageRestoreObject,
    responses(
        (status = 200, description = "It took the place of another, or is current already", body = StorageObject),
        (status = 201, description = "It is there again", body = StorageObject),
    )
)]
pub(super) async fn restore(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Json(body): Json<StorageRestoreObject>,
) -> Result<(StatusCode, Json<StorageObject>)> {
    let bucket = reached(&ctx, &actor, &name, ObjectsWrite::ACTION).await?;
    let seen = version(&ctx, &bucket, &body.path, Some(body.version_id)).await?;
    Ok(answer(
        &bucket.name,
        restore::restore(&ctx, &actor, &bucket, &seen).await?,
    ))
}
