//! Buckets.

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use garde::Validate;
use serde::{Deserialize, Deserializer};
use stoa_http::{Access, Actor, Failure, IfMatch, Json, Paged, Path, Result, codes, etag, field_error};
use stoa_kernel::{Action, OrganizationId, Page};
use utoipa::ToSchema;

use super::{
    scopes::{BucketsRead, BucketsWrite},
    view::StorageBucket,
};
use crate::{
    ctx::Ctx,
    error::Error,
    kind,
    ops::{
        buckets::{self as ops, Choices},
        reach::{self, Reach},
    },
    path,
    store::buckets::{self as store, BucketRow},
};

/// Patterns of media types that a bucket may have.
const TYPES: usize = 50;

/// A bucket, and its version as the entity tag.
type Tagged = ([(HeaderName, HeaderValue); 1], Json<StorageBucket>);

fn tagged(row: BucketRow) -> Tagged {
    ([(header::ETAG, etag(row.version))], Json(row.into()))
}

/// The bucket, if the caller reaches it. Of one that they may read and not change they are told so; another is not found.
pub(super) async fn reached<A: Access>(
    ctx: &Ctx,
    actor: &Actor<A>,
    name: &str,
    action: Action<'_>,
) -> Result<BucketRow> {
    let bucket = reach::bucket(ctx, name).await?;
    if reach::into(ctx, actor, action, &bucket).await? == Reach::Bucket {
        return Ok(bucket);
    }
    let sees =
        bucket.is_public || reach::into(ctx, actor, BucketsRead::ACTION, &bucket).await? == Reach::Bucket;
    Err(Failure::new(if sees {
        codes::FORBIDDEN
    } else {
        codes::NOT_FOUND
    }))
}

/// Whose buckets are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BucketFilter {
    /// Those of this organization, of which you are a member; your own if absent.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

/// List buckets.
///
/// Your own, or those of an organization. Newest first.
#[utoipa::path(
    get, path = "/api/v1/storage/buckets", tags = ["storage"], operation_id = "storage_list_buckets",
    params(Paged<BucketFilter>),
    responses((status = 200, description = "A page of buckets", body = Page<StorageBucket>))
)]
pub(super) async fn list(
    actor: Actor<BucketsRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<BucketFilter>,
) -> Result<Json<Page<StorageBucket>>> {
    let owner = ctx.access.owner(&actor, filter.organization_id).await?;
    let buckets = store::list(&ctx.db, owner, &page).await?;
    Ok(Json(buckets.map(StorageBucket::from)))
}

fn is_name(name: &str, (): &()) -> garde::Result {
    path::bucket(name).map_err(|wrong| field_error("invalid", wrong))
}

#[expect(clippy::ref_option, reason = "garde hands it so")]
fn are_types(types: &Option<Vec<String>>, (): &()) -> garde::Result {
    let types = types.as_deref().unwrap_or_default();
    if types.len() > TYPES {
        return Err(field_error("too_long", "At most 50 types are taken"));
    }
    match types.iter().find(|pattern| !kind::is_pattern(pattern)) {
        Some(_) => Err(field_error(
            "invalid",
            "A type is such as image/png or image/*, in lower case",
        )),
        None => Ok(()),
    }
}

/// What a bucket is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageCreateBucket {
    /// Unique in this installation: 3 to 63 of a-z, 0-9, - and ., as on S3.
    #[garde(custom(is_name))]
    #[schema(
        min_length = 3,
        max_length = 63,
        pattern = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
    )]
    name: String,
    /// The organization that it is made for; you, if absent.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    organization_id: Option<OrganizationId>,
    /// Whether anybody may read what is in it.
    #[garde(skip)]
    #[serde(default)]
    public: bool,
    /// Whether a replaced object is kept as an older version.
    #[garde(skip)]
    #[serde(default)]
    versioning: bool,
    /// Largest object, in bytes; null: as the installation says.
    #[garde(inner(range(min = 1)))]
    #[schema(minimum = 1)]
    max_object_bytes: Option<i64>,
    /// Media types that are taken, such as `image/png` and `image/*`; all, if empty or absent.
    #[garde(custom(are_types))]
    #[schema(max_items = 50)]
    allowed_types: Option<Vec<String>>,
}

/// Make a bucket.
///
/// For yourself, or for an organization whose admin or owner you are. `409 bucket_name_taken`: names are unique in an installation;
/// `409 buckets_full`: there is no room for a further one.
#[utoipa::path(
    post, path = "/api/v1/storage/buckets", tags = ["storage"], operation_id = "storage_create_bucket",
    request_body = StorageCreateBucket,
    responses((status = 201, description = "The new bucket", body = StorageBucket, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn create(
    actor: Actor<BucketsWrite>,
    State(ctx): State<Ctx>,
    Json(body): Json<StorageCreateBucket>,
) -> Result<(StatusCode, Tagged)> {
    let owner = ctx.access.owner(&actor, body.organization_id).await?;
    let choices = Choices {
        is_public: Some(body.public),
        is_versioned: Some(body.versioning),
        max_object_bytes: Some(body.max_object_bytes),
        allowed_types: body.allowed_types,
    };
    let made = ops::create(&ctx, &actor, owner, body.name, choices).await?;
    Ok((StatusCode::CREATED, tagged(made)))
}

/// A bucket.
#[utoipa::path(
    get, path = "/api/v1/storage/buckets/{bucket}", tags = ["storage"], operation_id = "storage_read_bucket",
    params(("bucket" = String, Path, description = "Its name")),
    responses((status = 200, description = "The bucket", body = StorageBucket, headers(("etag" = String, description = "The version, for If-Match"))))
)]
pub(super) async fn read(
    actor: Actor<BucketsRead>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
) -> Result<Tagged> {
    let bucket = reach::bucket(&ctx, &name).await?;
    match reach::into(&ctx, &actor, BucketsRead::ACTION, &bucket).await? {
        Reach::Bucket => Ok(tagged(bucket)),
        Reach::Granted => Err(Error::NotFound.into()),
    }
}

/// What is to be changed; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageUpdateBucket {
    #[garde(skip)]
    public: Option<bool>,
    #[garde(skip)]
    versioning: Option<bool>,
    /// Null: as the installation says.
    #[garde(inner(inner(range(min = 1))))]
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    max_object_bytes: Option<Option<i64>>,
    #[garde(custom(are_types))]
    #[schema(max_items = 50)]
    allowed_types: Option<Vec<String>>,
}

/// Tells null from what is absent.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change a bucket.
///
/// With `If-Match` only if nobody has changed it since you read it. What is in it already stays as it is.
#[utoipa::path(
    patch, path = "/api/v1/storage/buckets/{bucket}", tags = ["storage"], operation_id = "storage_update_bucket",
    params(
        ("bucket" = String, Path, description = "Its name"),
        ("if-match" = Option<String>, Header, description = "The etag of the bucket that you read"),
    ),
    request_body = StorageUpdateBucket,
    responses((status = 200, description = "The bucket as it is now", body = StorageBucket, headers(("etag" = String, description = "The new version"))))
)]
pub(super) async fn update(
    actor: Actor<BucketsWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    IfMatch(expected): IfMatch,
    Json(body): Json<StorageUpdateBucket>,
) -> Result<Tagged> {
    let bucket = reached(&ctx, &actor, &name, BucketsWrite::ACTION).await?;
    let choices = Choices {
        is_public: body.public,
        is_versioned: body.versioning,
        max_object_bytes: body.max_object_bytes,
        allowed_types: body.allowed_types,
    };
    Ok(tagged(
        ops::update(&ctx, &actor, bucket, choices, &expected).await?,
    ))
}

/// Delete a bucket.
///
/// It has to be empty: `409 bucket_not_empty`.
#[utoipa::path(
    delete, path = "/api/v1/storage/buckets/{bucket}", tags = ["storage"], operation_id = "storage_delete_bucket",
    params(("bucket" = String, Path, description = "Its name")),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete(
    actor: Actor<BucketsWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let bucket = reached(&ctx, &actor, &name, BucketsWrite::ACTION).await?;
    ops::delete(&ctx, &actor, &bucket).await?;
    Ok(StatusCode::NO_CONTENT)
}
