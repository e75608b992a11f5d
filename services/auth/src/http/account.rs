//! One's account as a whole, erased.

use axum::{extract::State, response::Response};
use garde::Validate;
use http::HeaderMap;
use serde::Deserialize;
use stoa_http::{Actor, Json, Person, Result, endpoints};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::sessions;
use crate::{
    ctx::Ctx,
    ops::{erase, origin::Origin},
    password::Password,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(remove)
}

/// Proof of who asks.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthEraseAccountRequest {
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(inner(length(chars, max = 64)))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Erase your account.
///
/// All that is held on you is erased here, and by every other service as it hears of it. It cannot be undone. `409 last_admin`: you
/// are the last administrator.
#[utoipa::path(
    delete, path = "/api/v1/auth/account", tags = ["auth"], operation_id = "auth_erase_account",
    request_body = AuthEraseAccountRequest,
    responses((status = 204, description = "The account is gone"))
)]
async fn remove(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    headers: HeaderMap,
    Json(body): Json<AuthEraseAccountRequest>,
) -> Result<Response> {
    let code = body.totp.as_deref();
    erase::erase(
        &ctx,
        actor.user_id,
        &body.password,
        code,
        &Origin::of(&actor.request),
    )
    .await?;
    Ok(sessions::gone(&ctx, &actor.request, &headers))
}
