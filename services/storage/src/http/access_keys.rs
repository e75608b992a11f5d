//! Access keys: what programs that speak S3 sign with.

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use garde::Validate;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Paged, Path, Person, Result, field_error, is_line};
use stoa_kernel::{OrganizationId, Owner, Page, Timestamp, text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::begun::Begun;
use crate::{
    ctx::Ctx,
    error::Error,
    ids::AccessKeyId,
    ops::access_keys::{self as ops, NewKey, ROLES},
    path,
    store::access_keys::{self as store, AccessKeyRow},
};

/// Buckets that a key may name.
const BUCKETS: usize = 100;

/// An access key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageAccessKey {
    #[schema(value_type = String, format = Uuid)]
    id: AccessKeyId,
    /// What clients call the access key id.
    #[schema(example = "AKIA4Q2YQ2MJW7MGWQV3")]
    access_key_id: String,
    name: String,
    /// `user` or `organization`.
    owner_kind: &'static str,
    owner_id: Uuid,
    /// Who made it, and by whose rights it acts.
    made_by: Uuid,
    /// Whether it only reads.
    read_only: bool,
    /// Names of the buckets that it is for; empty for all.
    buckets: Vec<String>,
    created_at: Timestamp,
    #[schema(required)]
    expires_at: Option<Timestamp>,
    /// To the minute.
    #[schema(required)]
    last_used_at: Option<Timestamp>,
}

impl From<AccessKeyRow> for StorageAccessKey {
    fn from(row: AccessKeyRow) -> Self {
        Self {
            id: row.id,
            access_key_id: row.key_id,
            name: row.name,
            owner_kind: row.owner.kind(),
            owner_id: row.owner.uuid(),
            made_by: row.made_by.uuid(),
            read_only: row.is_read_only,
            buckets: row.buckets,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Whose keys are listed.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AccessKeyFilter {
    /// Those of this organization, whose admin or owner you are; your own if absent.
    #[garde(skip)]
    #[param(value_type = Option<uuid::Uuid>)]
    organization_id: Option<OrganizationId>,
}

/// List access keys.
///
/// Your own, or those of an organization whose admin or owner you are. Newest first, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/storage/access-keys", tags = ["storage"], operation_id = "storage_list_access_keys",
    params(Paged<AccessKeyFilter>),
    responses((status = 200, description = "A page of access keys", body = Page<StorageAccessKey>))
)]
pub(super) async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<AccessKeyFilter>,
) -> Result<Json<Page<StorageAccessKey>>> {
    let owner = ctx.access.owner_in(&actor, filter.organization_id, ROLES).await?;
    let keys = store::list(&ctx.db, owner, &page).await?;
    Ok(Json(keys.map(StorageAccessKey::from)))
}

fn is_name(name: &str, (): &()) -> garde::Result {
    is_line(name, 100)
}

fn are_buckets(buckets: &[String], (): &()) -> garde::Result {
    if buckets.len() > BUCKETS {
        return Err(field_error("too_long", "At most 100 buckets are taken"));
    }
    match buckets.iter().find_map(|name| path::bucket(name).err()) {
        Some(wrong) => Err(field_error("invalid", wrong)),
        None => Ok(()),
    }
}

/// What an access key is to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageCreateAccessKey {
    #[garde(custom(is_name))]
    #[schema(min_length = 1, max_length = 100, example = "nightly backup")]
    name: String,
    /// The organization that it acts for; you, if absent.
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Uuid)]
    organization_id: Option<OrganizationId>,
    /// Whether it only reads.
    #[garde(skip)]
    #[serde(default)]
    read_only: bool,
    /// Names of the buckets that it is for; all, if empty or absent.
    #[garde(custom(are_buckets))]
    #[serde(default)]
    #[schema(max_items = 100)]
    buckets: Vec<String>,
    /// When it expires; never, if absent.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    expires_at: Option<Timestamp>,
}

/// A new access key.
#[derive(Serialize, ToSchema)]
pub(super) struct StorageNewAccessKey {
    access_key: StorageAccessKey,
    /// What clients call the secret access key. It is shown only now.
    secret_access_key: String,
}

/// Make an access key.
///
/// With it a program that speaks S3 signs its requests to `/s3`. It does what you may do with buckets and objects when it is used: your
/// own and those you were let into, or those of the organization, of which you have to be admin or owner then as well. `409
/// access_keys_full`: there are too many.
#[utoipa::path(
    post, path = "/api/v1/storage/access-keys", tags = ["storage"], operation_id = "storage_create_access_key",
    request_body = StorageCreateAccessKey,
    responses((status = 201, description = "The key and its secret", body = StorageNewAccessKey))
)]
pub(super) async fn create(
    actor: Actor<Person>,
    Begun(begun): Begun,
    State(ctx): State<Ctx>,
    Json(body): Json<StorageCreateAccessKey>,
) -> Result<(
    StatusCode,
    [(HeaderName, HeaderValue); 1],
    Json<StorageNewAccessKey>,
)> {
    if body.expires_at.is_some_and(|at| at <= ctx.clock.now()) {
        return Err(Failure::invalid(
            "expires_at",
            "range",
            "It must be in the future",
        ));
    }
    let owner = ctx.access.owner_in(&actor, body.organization_id, ROLES).await?;
    let new = NewKey {
        name: text::line(&body.name).unwrap_or_default(),
        is_read_only: body.read_only,
        buckets: body.buckets,
        expires_at: body.expires_at,
    };
    let (made, secret_access_key) = ops::create(&ctx, &actor, owner, (new, begun)).await?;
    let answer = StorageNewAccessKey {
        access_key: made.into(),
        secret_access_key,
    };
    let caching = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::CREATED, [caching], Json(answer)))
}

/// Delete an access key.
///
/// Requests that are signed with it are refused from then on, presigned addresses too.
#[utoipa::path(
    delete, path = "/api/v1/storage/access-keys/{id}", tags = ["storage"], operation_id = "storage_delete_access_key",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 204, description = "The key is gone"))
)]
pub(super) async fn delete(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<AccessKeyId>,
) -> Result<StatusCode> {
    let found = store::by_id(&ctx.db, id).await?;
    let key = found.ok_or(Error::NotFound)?;
    let organization = match key.owner {
        Owner::Organization(organization) => Some(organization),
        Owner::User(_) => None,
    };
    if ctx.access.owner_in(&actor, organization, ROLES).await? != key.owner {
        return Err(Error::NotFound.into());
    }
    ops::delete(&ctx, &actor, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
