//! API keys that act for an organization.

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Paged, Path, Person, Result, Unfiltered, endpoints, field_error};
use stoa_kernel::{OrganizationId, OrganizationRole, Page, Timestamp, UserId, text};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    http::api_keys::is_key_name,
    ops::{
        api_keys::NewKey,
        organizations::{self as ops, Proof, api_keys},
    },
    password::Password,
    permissions::is_scope,
    store::api_keys::{self as store, ApiKeyId, OrganizationKey},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, remove)
}

/// An API key of an organization, without what only its maker knows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthOrganizationApiKey {
    #[schema(value_type = String, format = Uuid)]
    id: ApiKeyId,
    #[schema(example = "nightly import")]
    name: String,
    #[schema(example = json!(["members.read"]))]
    scopes: Vec<String>,
    /// What the key is in the organization.
    role: OrganizationRole,
    /// Who made it. It ends with their membership.
    #[schema(value_type = String, format = Uuid)]
    created_by: UserId,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
}

impl From<OrganizationKey> for AuthOrganizationApiKey {
    fn from(key: OrganizationKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.0,
            role: key.organization_role,
            created_by: key.user_id,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// List the API keys of an organization.
///
/// For admins and owners, newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/organizations/{id}/api-keys", tags = ["auth"], operation_id = "auth_list_organization_api_keys",
    params(("id" = Uuid, Path, description = "The organization"), Paged),
    responses((status = 200, body = Page<AuthOrganizationApiKey>))
)]
async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Paged { page, .. }: Paged<Unfiltered>,
) -> Result<Json<Page<AuthOrganizationApiKey>>> {
    ops::standing(&ctx, &actor, id)
        .await?
        .at_least(OrganizationRole::Admin)?;
    let page = store::list_of_organization(&ctx.db, id, &page).await?;
    Ok(Json(page.map(AuthOrganizationApiKey::from)))
}

/// A new key.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "nightly import", "scopes": ["members.read"], "role": "member", "expires_at": null, "password": "tin roof rusted"}))]
pub(super) struct AuthCreateOrganizationApiKeyRequest {
    #[garde(custom(is_key_name))]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is for: names of permissions that roles in an organization hold, or whole nouns such as `members.*`.
    #[garde(length(min = 1, max = 50), inner(custom(is_scope)))]
    #[schema(min_items = 1, max_items = 50)]
    scopes: Vec<String>,
    /// What the key is in the organization: `guest`, `member` or `admin`.
    #[garde(custom(is_for_keys))]
    role: OrganizationRole,
    /// When it expires; never, if absent.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    expires_at: Option<Timestamp>,
    /// Your password. It is required again, because a stolen session must not be enough.
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

fn is_for_keys(role: &OrganizationRole, (): &()) -> garde::Result {
    if *role <= OrganizationRole::Admin {
        Ok(())
    } else {
        Err(field_error("role_too_great", "A key cannot be an owner"))
    }
}

/// A new API key of an organization.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthNewOrganizationApiKey {
    #[schema(value_type = String, format = Uuid)]
    id: ApiKeyId,
    /// The key itself. It is shown only now.
    #[schema(
        example = "stoa_key_0197a3b4c5d67e8f9a0b1c2d3e4f5a6b_4Q8yQ2mJm0m4mG1oWqv3b7o2s9V5cXhT6uRkZpLfN1E"
    )]
    key: String,
}

/// Make an API key that acts for an organization.
///
/// For admins and owners. It acts for the organization alone, within its scopes and its role, and reaches nothing of yours. It ends with your
/// membership, or with your role of admin. `409 too_many_organization_keys`: the organization has a hundred.
#[utoipa::path(
    post, path = "/api/v1/auth/organizations/{id}/api-keys", tags = ["auth"], operation_id = "auth_create_organization_api_key",
    params(("id" = Uuid, Path, description = "The organization")),
    request_body = AuthCreateOrganizationApiKeyRequest,
    responses((status = 201, body = AuthNewOrganizationApiKey))
)]
async fn create(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<OrganizationId>,
    Json(body): Json<AuthCreateOrganizationApiKeyRequest>,
) -> Result<(
    StatusCode,
    [(HeaderName, HeaderValue); 1],
    Json<AuthNewOrganizationApiKey>,
)> {
    let known = |scope: &String| ctx.permissions.is_of_organizations(scope);
    if let Some(at) = body.scopes.iter().position(|scope| !known(scope)) {
        return Err(Failure::invalid(
            format!("scopes[{at}]"),
            "unknown_permission",
            "No role in an organization holds this permission",
        ));
    }
    let new = NewKey {
        name: text::line(&body.name).unwrap_or_default(),
        scopes: body.scopes,
        expires_at: body.expires_at,
    };
    let proof = Proof {
        password: Some(&body.password),
        code: body.totp.as_deref(),
    };
    let (made, key) = api_keys::create(&ctx, &actor, id, new, body.role, proof).await?;
    let caching = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let answer = AuthNewOrganizationApiKey { id: made.id, key };
    Ok((StatusCode::CREATED, [caching], Json(answer)))
}

/// Remove an API key of an organization.
///
/// For admins and owners. It is refused within a second, everywhere.
#[utoipa::path(
    delete, path = "/api/v1/auth/organizations/{id}/api-keys/{key_id}", tags = ["auth"], operation_id = "auth_remove_organization_api_key",
    params(("id" = Uuid, Path, description = "The organization"), ("key_id" = Uuid, Path, description = "The key's id")),
    responses((status = 204, description = "The key is gone"))
)]
async fn remove(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path((id, key)): Path<(OrganizationId, ApiKeyId)>,
) -> Result<StatusCode> {
    api_keys::remove(&ctx, &actor, id, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
