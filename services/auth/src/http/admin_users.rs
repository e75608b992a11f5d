//! Other people's accounts, for administrators.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use stoa_http::{Actor, Json, Paged, Path, Result, endpoints, permission};
use stoa_kernel::{Page, Timestamp, UserId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::signed_in::AuthUser;
use crate::{
    ctx::Ctx,
    ops::{
        accounts::{self as ops, WithRoles},
        origin::Origin,
    },
    store::accounts::Filter,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, read, disable, enable)
}

permission!(pub(super) AccountsRead = "accounts.read");
permission!(pub(super) AccountsWrite = "accounts.write");

/// An account, as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthAccount {
    #[serde(flatten)]
    user: AuthUser,
    /// When the account was disabled.
    disabled_at: Option<Timestamp>,
}

impl From<WithRoles> for AuthAccount {
    fn from((account, roles): WithRoles) -> Self {
        Self {
            disabled_at: account.disabled_at,
            user: AuthUser::new(account, roles),
        }
    }
}

/// List accounts.
///
/// Newest first. Whose you saw is written to the audit log.
#[utoipa::path(
    get, path = "/api/v1/auth/users", tags = ["auth"], operation_id = "auth_list_users",
    params(Paged<Filter>),
    responses((status = 200, body = Page<AuthAccount>))
)]
async fn list(
    actor: Actor<AccountsRead>,
    State(ctx): State<Ctx>,
    Paged { filter, page }: Paged<Filter>,
) -> Result<Json<Page<AuthAccount>>> {
    let found = ops::list(&ctx, actor.user_id, &filter, &page, &Origin::of(&actor.request)).await?;
    Ok(Json(found.map(AuthAccount::from)))
}

/// One account.
///
/// That you saw it is written to the audit log.
#[utoipa::path(
    get, path = "/api/v1/auth/users/{id}", tags = ["auth"], operation_id = "auth_read_user",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 200, body = AuthAccount))
)]
async fn read(
    actor: Actor<AccountsRead>,
    State(ctx): State<Ctx>,
    Path(user): Path<UserId>,
) -> Result<Json<AuthAccount>> {
    let found = ops::read(&ctx, actor.user_id, user, &Origin::of(&actor.request)).await?;
    Ok(Json(found.into()))
}

/// Disable an account.
///
/// Its sessions end, its API keys are refused, and signing in is refused as with a wrong password. `403 permission_not_held`: the
/// account may do more than you. `409 last_admin`: nobody else is an administrator.
#[utoipa::path(
    post, path = "/api/v1/auth/users/{id}/disable", tags = ["auth"], operation_id = "auth_disable_user",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 204, description = "The account is disabled"))
)]
async fn disable(
    actor: Actor<AccountsWrite>,
    State(ctx): State<Ctx>,
    Path(user): Path<UserId>,
) -> Result<StatusCode> {
    ops::disable(&ctx, &actor, user, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable an account again.
///
/// `403 permission_not_held`: the account may do more than you.
#[utoipa::path(
    post, path = "/api/v1/auth/users/{id}/enable", tags = ["auth"], operation_id = "auth_enable_user",
    params(("id" = uuid::Uuid, Path, description = "The account")),
    responses((status = 204, description = "The account is enabled"))
)]
async fn enable(
    actor: Actor<AccountsWrite>,
    State(ctx): State<Ctx>,
    Path(user): Path<UserId>,
) -> Result<StatusCode> {
    ops::enable(&ctx, &actor, user, &Origin::of(&actor.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}
