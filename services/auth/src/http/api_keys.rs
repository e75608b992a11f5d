//! API keys: for programs that act on somebody's behalf.

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Paged, Path, Person, Result, endpoints, is_line};
use stoa_kernel::{Page, Timestamp, text};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    ops::{
        api_keys::{self as ops, NewKey},
        origin::Origin,
    },
    password::Password,
    permissions::is_scope,
    store::api_keys::{self as store, ApiKey, ApiKeyId},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, create, remove)
}

/// An API key, without what only its owner knows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthApiKey {
    #[schema(value_type = String, format = Uuid)]
    id: ApiKeyId,
    #[schema(example = "backup script")]
    name: String,
    #[schema(example = json!(["profile.read"]))]
    scopes: Vec<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
}

impl From<ApiKey> for AuthApiKey {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            scopes: key.scopes.0,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// List your API keys.
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/api-keys", tags = ["auth"], operation_id = "auth_list_api_keys",
    params(Paged),
    responses((status = 200, body = Page<AuthApiKey>))
)]
async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<AuthApiKey>>> {
    let found = store::list(&ctx.db, actor.user_id, &page).await?;
    Ok(Json(found.map(AuthApiKey::from)))
}

/// A new key.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "backup script", "scopes": ["profile.read"], "expires_at": null, "password": "tin roof rusted"}))]
pub(super) struct AuthCreateApiKeyRequest {
    #[garde(custom(is_key_name))]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is for: names of permissions, or whole nouns such as `profile.*`. It may never do more than you may.
    #[garde(length(min = 1, max = 50), inner(custom(is_scope)))]
    #[schema(min_items = 1, max_items = 50)]
    scopes: Vec<String>,
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

pub(super) fn is_key_name(name: &str, (): &()) -> garde::Result {
    is_line(name, 100)
}

/// A new API key.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthNewApiKey {
    /// The key itself. It is shown only now.
    #[schema(
        example = "stoa_key_0197a3b4c5d67e8f9a0b1c2d3e4f5a6b_4Q8yQ2mJm0m4mG1oWqv3b7o2s9V5cXhT6uRkZpLfN1E"
    )]
    key: String,
    #[serde(flatten)]
    described: AuthApiKey,
}

/// Make an API key.
///
/// Sent as `Authorization: Bearer …` or in `x-api-key`, it acts on your behalf within its scopes: on your own things, and on others'
/// where your roles or grants permit it when it is used. You are told by mail. `403 permission_not_held`: a scope names what you may not do yourself. `409
/// too_many_api_keys`: you have a hundred.
#[utoipa::path(
    post, path = "/api/v1/auth/api-keys", tags = ["auth"], operation_id = "auth_create_api_key",
    request_body = AuthCreateApiKeyRequest,
    responses((status = 201, body = AuthNewApiKey))
)]
async fn create(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthCreateApiKeyRequest>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<AuthNewApiKey>)> {
    if let Some(at) = body.scopes.iter().position(|scope| !ctx.permissions.has(scope)) {
        return Err(Failure::invalid(
            format!("scopes[{at}]"),
            "unknown_permission",
            "Unknown permission",
        ));
    }
    let new = NewKey {
        name: text::line(&body.name).unwrap_or_default(),
        scopes: body.scopes,
        expires_at: body.expires_at,
    };
    let (password, code) = (&body.password, body.totp.as_deref());
    let made = ops::create(
        &ctx,
        actor.user_id,
        new,
        password,
        code,
        &Origin::of(&actor.request),
    )
    .await;
    let (made, key) = made?;
    let answer = AuthNewApiKey {
        key,
        described: made.into(),
    };
    let caching = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::CREATED, [caching], Json(answer)))
}

/// Remove one of your API keys.
///
/// It is refused within a second, everywhere.
#[utoipa::path(
    delete, path = "/api/v1/auth/api-keys/{id}", tags = ["auth"], operation_id = "auth_remove_api_key",
    params(("id" = uuid::Uuid, Path, description = "The key's id")),
    responses((status = 204, description = "The key is gone"))
)]
async fn remove(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode> {
    ops::remove(&ctx, actor.user_id, id, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}
