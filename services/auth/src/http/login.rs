//! Signing in.

use axum::{extract::State, response::Response};
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use stoa_http::{Anyone, Json, Query, Result, endpoints};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::signed_in::{AuthSession, ModeQuery, answer};
use crate::{
    ctx::Ctx,
    ops::{
        login::{self, Credentials},
        origin::Origin,
    },
    password::Password,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(create)
}

/// Who signs in.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.org", "password": "tin roof rusted"}))]
pub(super) struct AuthLoginRequest {
    #[garde(length(chars, max = 254))]
    #[schema(max_length = 254)]
    email: String,
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// The code of the authenticator app, or a recovery code, if the account asks for one.
    #[garde(length(chars, max = 64))]
    #[schema(max_length = 64)]
    totp: Option<String>,
}

/// Sign in.
///
/// `401 invalid_credentials`: the address or the password is wrong. `401 totp_required` and
/// `401 totp_wrong`: the password is right, the second factor is not. `403 email_not_verified`: the password is right, the address
/// has to be verified first. `429`: too many failed attempts; `503 busy`: too many people sign in just now.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tags = ["auth"], operation_id = "auth_login",
    params(ModeQuery), request_body = AuthLoginRequest,
    responses((status = 200, body = AuthSession))
)]
async fn create(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Query(mode): Query<ModeQuery>,
    Json(body): Json<AuthLoginRequest>,
) -> Result<Response> {
    let who = Credentials {
        email: body.email,
        password: body.password,
        totp: body.totp,
    };
    let signed_in = login::login(&ctx, who, mode.mode, &Origin::of(&caller.request)).await?;
    Ok(answer(StatusCode::OK, signed_in, &ctx.config, &caller.request))
}
