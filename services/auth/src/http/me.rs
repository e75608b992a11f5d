//! Who one is.

use axum::extract::State;
use serde::Serialize;
use stoa_http::{Actor, Json, Result, codes, endpoints, scope};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::signed_in::AuthUser;
use crate::{ctx::Ctx, error::Error, store::accounts};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(read)
}

scope!(
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
    responses((status = 200, body = AuthMe))
)]
async fn read(actor: Actor<AccountRead>, State(ctx): State<Ctx>) -> Result<Json<AuthMe>> {
    let account = accounts::by_id(&ctx.db, actor.user_id).await?;
    let account = account.ok_or(Error::Refused(codes::UNAUTHENTICATED))?;
    let permissions = actor.permissions.iter().map(str::to_owned).collect();
    Ok(Json(AuthMe {
        user: AuthUser::new(account, actor.roles.clone()),
        permissions,
    }))
}
