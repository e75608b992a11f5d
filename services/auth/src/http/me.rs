//! Who one is.

use axum::extract::State;
use serde::Serialize;
use stoa_http::{Json, Own, Problems, Result, codes, permission};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::signed_in::AuthUser;
use crate::{ctx::Ctx, error::Error, store::accounts};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(read))
}

permission!(
    /// For API keys: who their owner is, and what they may do.
    pub(super) AccountRead = "account.read"
);

/// An account, and what the credentials that were presented permit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthMe {
    #[serde(flatten)]
    user: AuthUser,
    /// `users.read`, a whole noun `users.*`, or everything `*`; of an API key only what its scopes leave.
    permissions: Vec<String>,
}

/// Who you are.
#[utoipa::path(
    get, path = "/api/v1/auth/me", tags = ["auth"], operation_id = "auth_read_me",
    security(("bearer" = [])), extensions(("x-scope" = json!("account.read"))),
    responses((status = 200, body = AuthMe), Problems)
)]
async fn read(State(ctx): State<Ctx>, principal: Own<AccountRead>) -> Result<Json<AuthMe>> {
    let account = accounts::by_id(&ctx.db, principal.user_id).await?;
    let account = account.ok_or(Error::Refused(codes::UNAUTHENTICATED))?;
    let permissions = principal.permissions.iter().map(str::to_owned).collect();
    Ok(Json(AuthMe {
        user: AuthUser::new(account, principal.roles.clone()),
        permissions,
    }))
}
