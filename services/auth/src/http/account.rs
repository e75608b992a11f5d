//! One's account as a whole, erased.

use axum::{extract::State, response::Response};
use garde::Validate;
use http::HeaderMap;
use serde::Deserialize;
use stoa_http::{Actor, Json, Person, Result, endpoints};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::sessions;
use crate::{ctx::Ctx, ops::erase, password::Password};

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
/// are the last administrator. `409 last_owner`: you are the last owner of an organization with other
/// members: hand it over or delete it first. Organizations of which you are the only member are deleted at once, and cannot be restored.
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
    erase::erase(&ctx, &actor, &body.password, body.totp.as_deref()).await?;
    Ok(sessions::gone(&ctx, &actor.request, &headers))
}
