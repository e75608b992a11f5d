//! Roles, and who has them.

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use stoa_http::{
    Actor, Failure, IfMatch, Json, Paged, Path, Result, codes, endpoints, etag, field_error, permission,
};
use stoa_kernel::{Page, Permissions, UserId, text};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    ops::{
        origin::Origin,
        roles::{self as ops, RoleTerms},
    },
    permissions::is_permission,
    store::roles::{self as store, Role},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, read, replace, remove, assign, unassign)
}

permission!(pub(super) RolesRead = "roles.read");
permission!(pub(super) RolesWrite = "roles.write");
permission!(pub(super) RolesAssign = "roles.assign");

/// A role: a name for permissions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthRole {
    #[schema(example = "support")]
    name: String,
    description: String,
    /// `noun.verb`, a whole noun `noun.*`, or everything `*`.
    #[schema(example = json!(["users.read"]))]
    permissions: Vec<String>,
    /// Whether it is one of ours, which nobody changes.
    built_in: bool,
}

impl From<Role> for AuthRole {
    fn from(role: Role) -> Self {
        Self {
            name: role.name,
            description: role.description,
            permissions: role.permissions.iter().map(str::to_owned).collect(),
            built_in: role.built_in,
        }
    }
}

type Tagged = ([(HeaderName, HeaderValue); 1], Json<AuthRole>);

fn tagged(role: Role) -> Tagged {
    ([(header::ETAG, etag(role.version))], Json(role.into()))
}

/// List all roles.
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/auth/roles", tags = ["auth"], operation_id = "auth_list_roles",
    params(Paged),
    responses((status = 200, body = Page<AuthRole>))
)]
async fn list(
    _: Actor<RolesRead>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<AuthRole>>> {
    let found = store::list(&ctx.db, &page).await?;
    Ok(Json(found.map(AuthRole::from)))
}

/// A new role.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "support", "description": "Answers mails", "permissions": ["users.read"]}))]
pub(super) struct AuthCreateRoleRequest {
    /// Lower-case letters, digits, `-` and `_`; the first is a letter.
    #[garde(custom(is_name))]
    #[schema(max_length = 50, pattern = "^[a-z][a-z0-9_-]*$")]
    name: String,
    #[serde(default)]
    #[garde(length(chars, max = 500))]
    #[schema(max_length = 500)]
    description: String,
    #[garde(length(max = 200), inner(custom(is_permission)))]
    #[schema(max_items = 200)]
    permissions: Vec<String>,
}

fn is_name(name: &str, (): &()) -> garde::Result {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(fits) && name.len() <= 50 {
        return Ok(());
    }
    let message = "Expected up to 50 lower-case letters, digits, - and _, the first a letter";
    Err(field_error("format", message))
}

/// Make a role.
///
/// `403 permission_not_held`: you cannot give what you do not hold. `409 role_exists`: the name is taken.
#[utoipa::path(
    post, path = "/api/v1/auth/roles", tags = ["auth"], operation_id = "auth_create_role",
    request_body = AuthCreateRoleRequest,
    responses((status = 201, description = "The new role", body = AuthRole, headers(("etag" = String, description = "The version"))))
)]
async fn create(
    actor: Actor<RolesWrite>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthCreateRoleRequest>,
) -> Result<(StatusCode, Tagged)> {
    let terms = RoleTerms {
        description: text::line(&body.description).unwrap_or_default(),
        permissions: Permissions::new(body.permissions),
    };
    let role = ops::create(&ctx, &actor, &body.name, &terms, &Origin::of(&actor.request)).await?;
    Ok((StatusCode::CREATED, tagged(role)))
}

async fn find(ctx: &Ctx, name: &str) -> Result<Role> {
    let role = store::find(&ctx.db, name).await?;
    role.ok_or_else(|| Failure::new(codes::NOT_FOUND))
}

/// One role.
#[utoipa::path(
    get, path = "/api/v1/auth/roles/{name}", tags = ["auth"], operation_id = "auth_read_role",
    params(("name" = String, Path, description = "The role")),
    responses((status = 200, description = "The role", body = AuthRole, headers(("etag" = String, description = "The version, for If-Match"))))
)]
async fn read(_: Actor<RolesRead>, State(ctx): State<Ctx>, Path(name): Path<String>) -> Result<Tagged> {
    Ok(tagged(find(&ctx, &name).await?))
}

/// What a role is to be from now on.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "Answers mails", "permissions": ["users.read"]}))]
pub(super) struct AuthReplaceRoleRequest {
    #[serde(default)]
    #[garde(length(chars, max = 500))]
    #[schema(max_length = 500)]
    description: String,
    #[garde(length(max = 200), inner(custom(is_permission)))]
    #[schema(max_items = 200)]
    permissions: Vec<String>,
}

/// Change a role.
///
/// It holds at once for all who have it: their access tokens of before are refused as `token_stale`. `403 permission_not_held`: you
/// must hold all that the role gives, before and after. `409 role_built_in`: it is one of ours.
#[utoipa::path(
    put, path = "/api/v1/auth/roles/{name}", tags = ["auth"], operation_id = "auth_replace_role",
    params(("name" = String, Path, description = "The role"), ("if-match" = Option<String>, Header, description = "The etag of the role that you read")),
    request_body = AuthReplaceRoleRequest,
    responses((status = 200, description = "The role as it is now", body = AuthRole, headers(("etag" = String, description = "The new version"))))
)]
async fn replace(
    actor: Actor<RolesWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    if_match: IfMatch,
    Json(body): Json<AuthReplaceRoleRequest>,
) -> Result<Tagged> {
    let role = find(&ctx, &name).await?;
    if_match.check(role.version)?;
    let terms = RoleTerms {
        description: text::line(&body.description).unwrap_or_default(),
        permissions: Permissions::new(body.permissions),
    };
    Ok(tagged(
        ops::replace(&ctx, &actor, role, terms, &Origin::of(&actor.request)).await?,
    ))
}

/// Remove a role.
///
/// All who have it lose it at once. `403 permission_not_held`: you must hold all that it gives. `409 role_built_in`: it is one of ours.
#[utoipa::path(
    delete, path = "/api/v1/auth/roles/{name}", tags = ["auth"], operation_id = "auth_remove_role",
    params(("name" = String, Path, description = "The role"), ("if-match" = Option<String>, Header, description = "The etag of the role that you read")),
    responses((status = 204, description = "The role is gone"))
)]
async fn remove(
    actor: Actor<RolesWrite>,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    if_match: IfMatch,
) -> Result<StatusCode> {
    let role = find(&ctx, &name).await?;
    if_match.check(role.version)?;
    ops::remove(&ctx, &actor, &role, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give somebody a role.
///
/// It holds at once: their access tokens of before are refused as `token_stale`. `403 permission_not_held`: you must hold all that
/// the role gives, and all that they may do.
#[utoipa::path(
    put, path = "/api/v1/auth/users/{id}/roles/{role}", tags = ["auth"], operation_id = "auth_assign_role",
    params(("id" = uuid::Uuid, Path, description = "The account"), ("role" = String, Path, description = "The role")),
    responses((status = 204, description = "They have the role"))
)]
async fn assign(
    actor: Actor<RolesAssign>,
    State(ctx): State<Ctx>,
    Path((user, role)): Path<(UserId, String)>,
) -> Result<StatusCode> {
    ops::assign(&ctx, &actor, user, &role, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a role from somebody.
///
/// It holds at once. `403 permission_not_held`: you must hold all that the role gives, and all that they may do. `409 last_admin`: nobody else is an administrator.
#[utoipa::path(
    delete, path = "/api/v1/auth/users/{id}/roles/{role}", tags = ["auth"], operation_id = "auth_unassign_role",
    params(("id" = uuid::Uuid, Path, description = "The account"), ("role" = String, Path, description = "The role")),
    responses((status = 204, description = "They no longer have the role"))
)]
async fn unassign(
    actor: Actor<RolesAssign>,
    State(ctx): State<Ctx>,
    Path((user, role)): Path<(UserId, String)>,
) -> Result<StatusCode> {
    ops::unassign(&ctx, &actor, user, &role, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}
