//! What is in a bucket.

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Paged, Path, Result, field_error};
use stoa_kernel::{Cursor, Page};
use utoipa::ToSchema;

use super::{buckets::reached, objects::object_path, scopes::ObjectsRead, view::StorageObject};
use crate::{
    ctx::Ctx,
    ids::VersionId,
    ops::list::{self, Asked, Place},
    path,
    store::versions::{self, VersionRow},
};

/// What is listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ObjectFilter {
    /// What paths begin with; all, if absent.
    #[garde(custom(is_prefix))]
    #[serde(default)]
    #[param(required = false, max_length = 1024)]
    prefix: String,
    /// What ends a folder's name, such as `/`: what is in folders is listed as the folder alone. Without it all objects are listed.
    #[garde(inner(length(min = 1, max = 16)))]
    #[param(min_length = 1, max_length = 16)]
    delimiter: Option<String>,
}

fn is_prefix(prefix: &str, (): &()) -> garde::Result {
    path::prefix(prefix)
        .map(drop)
        .map_err(|wrong| field_error("invalid", wrong))
}

/// A page of objects and folders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageListing {
    items: Vec<StorageObject>,
    /// Folders: what the paths of all in one begin with, the delimiter included.
    folders: Vec<String>,
    /// Where the next page begins; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List objects.
///
/// In the order of their paths, byte by byte. A page has at most `limit` objects and folders.
#[utoipa::path(
    get, path = "/api/v1/storage/buckets/{bucket}/objects", tags = ["storage"], operation_id = "storage_list_objects",
    params(("bucket" = String, Path, description = "Its name"), Paged<ObjectFilter>),
    responses((status = 200, description = "A page of objects and folders", body = StorageListing))
)]
pub(super) async fn list(
    actor: Actor<ObjectsRead>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Paged { filter, page }: Paged<ObjectFilter>,
) -> Result<Json<StorageListing>> {
    let bucket = reached(&ctx, &actor, &name, ObjectsRead::ACTION).await?;
    let prefix =
        path::prefix(&filter.prefix).map_err(|wrong| Failure::invalid("prefix", "invalid", wrong))?;
    let after = page.cursor.as_deref().map(place).transpose()?;
    let asked = Asked {
        prefix,
        delimiter: filter.delimiter,
        after,
        limit: page.limit as usize,
    };
    let found = list::list(&ctx, bucket.id, &asked).await?;
    Ok(Json(StorageListing {
        items: found
            .objects
            .into_iter()
            .map(|row| StorageObject::of(&bucket.name, row))
            .collect(),
        folders: found.folders,
        next_cursor: found
            .next
            .map(|place| Cursor::encode(&("path", place.path, place.is_folder))),
    }))
}

fn place(cursor: &str) -> Result<Place> {
    let wrong = || Failure::invalid("cursor", "invalid", "It is not a cursor of this list");
    let (order, path, is_folder): (String, String, bool) = Cursor::decode(cursor).map_err(|_| wrong())?;
    if order != "path" || path.is_empty() {
        return Err(wrong());
    }
    Ok(Place { path, is_folder })
}

/// Whose versions are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionFilter {
    /// The object's path.
    #[garde(skip)]
    path: String,
}

/// List the versions of an object.
///
/// Of all that is or was stored under the path: the current version, older ones, and deleted ones that can still be restored. Newest
/// first.
#[utoipa::path(
    get, path = "/api/v1/storage/buckets/{bucket}/versions", tags = ["storage"], operation_id = "storage_list_versions",
    params(("bucket" = String, Path, description = "Its name"), Paged<VersionFilter>),
    responses((status = 200, description = "A page of versions", body = Page<StorageObject>))
)]
pub(super) async fn history(
    actor: Actor<ObjectsRead>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Paged { filter, page }: Paged<VersionFilter>,
) -> Result<Json<Page<StorageObject>>> {
    let bucket = reached(&ctx, &actor, &name, ObjectsRead::ACTION).await?;
    let path = object_path(&filter.path)?;
    let before = before(page.cursor.as_deref())?;
    let rows = versions::of_path(&ctx.db, bucket.id, &path, before, page.limit + 1).await?;
    Ok(Json(cut(&bucket.name, rows, page.limit)))
}

/// List deleted objects.
///
/// Those that can still be restored, the newest version first.
#[utoipa::path(
    get, path = "/api/v1/storage/buckets/{bucket}/deleted", tags = ["storage"], operation_id = "storage_list_deleted",
    params(("bucket" = String, Path, description = "Its name"), Paged),
    responses((status = 200, description = "A page of deleted versions", body = Page<StorageObject>))
)]
pub(super) async fn deleted(
    actor: Actor<ObjectsRead>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<StorageObject>>> {
    let bucket = reached(&ctx, &actor, &name, ObjectsRead::ACTION).await?;
    let before = before(page.cursor.as_deref())?;
    let rows = versions::deleted(&ctx.db, bucket.id, before, page.limit + 1).await?;
    Ok(Json(cut(&bucket.name, rows, page.limit)))
}

/// The version that the page before ended with; without one, what is later than all.
fn before(cursor: Option<&str>) -> Result<VersionId> {
    let Some(cursor) = cursor else {
        return Ok(VersionId::from_uuid(uuid::Uuid::max()));
    };
    let decoded: Result<(String, VersionId), _> = Cursor::decode(cursor);
    match decoded {
        Ok((order, id)) if order == "id" => Ok(id),
        _ => Err(Failure::invalid(
            "cursor",
            "invalid",
            "It is not a cursor of this list",
        )),
    }
}

fn cut(bucket: &str, rows: Vec<VersionRow>, limit: u32) -> Page<StorageObject> {
    Page::cut(rows, limit, |row| ("id", row.id)).map(|row| StorageObject::of(bucket, row))
}
