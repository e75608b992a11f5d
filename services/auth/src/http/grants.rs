//! Permissions on one thing.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Paged, Path, Result, endpoints, permission};
use stoa_kernel::{Page, Timestamp, UserId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    ops::{
        grants::{self as ops, NewGrant},
        origin::Origin,
    },
    permissions::{is_kind, is_permission},
    store::grants::{self as store, Filter, GrantId, GrantRow},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, remove)
}

permission!(pub(super) GrantsRead = "grants.read");
permission!(pub(super) GrantsWrite = "grants.write");

/// A permission that somebody was given on one thing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthGrant {
    #[schema(value_type = String, format = Uuid)]
    id: GrantId,
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    #[schema(example = "users.read")]
    action: String,
    #[schema(example = "profile")]
    resource_kind: String,
    resource_id: Uuid,
    /// Who gave it.
    #[schema(value_type = String, format = Uuid)]
    granted_by: UserId,
    created_at: Timestamp,
}

impl From<GrantRow> for AuthGrant {
    fn from(row: GrantRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            action: row.action,
            resource_kind: row.resource_kind,
            resource_id: row.resource_id,
            granted_by: row.granted_by,
            created_at: row.created_at,
        }
    }
}

/// List grants.
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/grants", tags = ["auth"], operation_id = "auth_list_grants",
    params(Paged<Filter>),
    responses((status = 200, body = Page<AuthGrant>))
)]
async fn list(
    _: Actor<GrantsRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<Filter>,
) -> Result<Json<Page<AuthGrant>>> {
    let found = store::list(&ctx.db, &filter, &page).await?;
    Ok(Json(found.map(AuthGrant::from)))
}

/// What is to be granted.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthCreateGrantRequest {
    #[garde(skip)]
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    /// A permission, or a noun's `*`.
    #[garde(custom(is_permission))]
    #[schema(max_length = 64, example = "users.read")]
    action: String,
    /// The kind of thing.
    #[garde(custom(is_kind))]
    #[schema(max_length = 64, example = "profile")]
    resource_kind: String,
    #[garde(skip)]
    resource_id: Uuid,
}

/// Grant a permission on one thing.
///
/// It holds at once. `403 permission_not_held`: you cannot give what you do not hold. `409 grant_exists`: it was given before. `409
/// too_many_grants`: the account has a thousand.
#[utoipa::path(
    post, path = "/api/v1/auth/grants", tags = ["auth"], operation_id = "auth_create_grant",
    request_body = AuthCreateGrantRequest,
    responses((status = 201, body = AuthGrant))
)]
async fn create(
    actor: Actor<GrantsWrite>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthCreateGrantRequest>,
) -> Result<(StatusCode, Json<AuthGrant>)> {
    let new = NewGrant {
        user: body.user_id,
        action: body.action,
        resource_kind: body.resource_kind,
        resource_id: body.resource_id,
    };
    let grant = ops::create(&ctx, &actor, new, &Origin::of(&actor.request)).await?;
    Ok((StatusCode::CREATED, Json(grant.into())))
}

/// Take a grant back.
///
/// It holds at once. `403 permission_not_held`: you cannot take what you could not give.
#[utoipa::path(
    delete, path = "/api/v1/auth/grants/{id}", tags = ["auth"], operation_id = "auth_remove_grant",
    params(("id" = Uuid, Path, description = "The grant")),
    responses((status = 204, description = "The grant is gone"))
)]
async fn remove(
    actor: Actor<GrantsWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<GrantId>,
) -> Result<StatusCode> {
    ops::remove(&ctx, &actor, id, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}
