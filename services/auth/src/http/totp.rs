//! The second factor: codes of an authenticator app.

use axum::extract::State;
use garde::Validate;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Json, Person, Result, endpoints};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    ops::{origin::Origin, totp as ops},
    password::Password,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(read, begin, remove, confirm, renew)
}

/// What must not stay in any cache.
type Secret<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

fn secret<T>(body: T) -> Secret<T> {
    (
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(body),
    )
}

/// Whether the account has a second factor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthTotp {
    /// Whether signing in asks for a code.
    enabled: bool,
    #[schema(minimum = 0, maximum = 10)]
    recovery_codes_left: i64,
}

/// Whether you have a second factor.
#[utoipa::path(
    get, path = "/api/v1/auth/totp", tags = ["auth"], operation_id = "auth_read_totp",
    responses((status = 200, body = AuthTotp))
)]
async fn read(actor: Actor<Person>, State(ctx): State<Ctx>) -> Result<Json<AuthTotp>> {
    let (enabled, recovery_codes_left) = ops::state(&ctx, actor.user_id).await?;
    Ok(Json(AuthTotp {
        enabled,
        recovery_codes_left,
    }))
}

/// Proof of who asks.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthBeginTotpRequest {
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
}

/// What to set an authenticator app up with.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthTotpSetup {
    /// In base 32, to be typed.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    /// The same, to be shown as a QR code.
    #[schema(
        example = "otpauth://totp/Stoa:ada%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Stoa"
    )]
    otpauth_url: String,
}

/// Begin to set a second factor up.
///
/// Nobody is asked for it before it is confirmed; beginning anew makes a new secret. `409 totp_enabled`: there is one already.
#[utoipa::path(
    post, path = "/api/v1/auth/totp", tags = ["auth"], operation_id = "auth_begin_totp",
    request_body = AuthBeginTotpRequest,
    responses((status = 200, body = AuthTotpSetup))
)]
async fn begin(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthBeginTotpRequest>,
) -> Result<Secret<AuthTotpSetup>> {
    let setup = ops::begin(&ctx, actor.user_id, &body.password, &Origin::of(&actor.request)).await?;
    Ok(secret(AuthTotpSetup {
        secret: setup.secret,
        otpauth_url: setup.otpauth_url,
    }))
}

/// A code of the app that was set up.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "123456"}))]
pub(super) struct AuthConfirmTotpRequest {
    #[garde(length(chars, max = 64))]
    #[schema(max_length = 64)]
    code: String,
}

/// Codes to sign in with if the authenticator is lost.
#[derive(Serialize, ToSchema)]
pub(super) struct AuthRecoveryCodes {
    /// Each is good once, in place of a code. They are shown only now.
    #[schema(min_items = 10, max_items = 10, example = json!(vec!["1a2b-3c4d-5e6f-7g8h"; 10]))]
    recovery_codes: Vec<String>,
}

/// Show that the authenticator app works.
///
/// From now on signing in asks for its code. `409 totp_enabled`: it was confirmed before; `409 totp_not_enabled`: none was begun.
#[utoipa::path(
    post, path = "/api/v1/auth/totp/confirm", tags = ["auth"], operation_id = "auth_confirm_totp",
    request_body = AuthConfirmTotpRequest,
    responses((status = 200, body = AuthRecoveryCodes))
)]
async fn confirm(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthConfirmTotpRequest>,
) -> Result<Secret<AuthRecoveryCodes>> {
    let recovery_codes = ops::confirm(&ctx, actor.user_id, &body.code, &Origin::of(&actor.request)).await?;
    Ok(secret(AuthRecoveryCodes { recovery_codes }))
}

/// Proof of who asks, by both factors.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthProveTotpRequest {
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    /// Of the authenticator app, or a recovery code.
    #[garde(length(chars, max = 64))]
    #[schema(max_length = 64)]
    code: String,
}

/// Take the second factor away.
///
/// The recovery codes go with it. `409 totp_not_enabled`: there is none.
#[utoipa::path(
    delete, path = "/api/v1/auth/totp", tags = ["auth"], operation_id = "auth_remove_totp",
    request_body = AuthProveTotpRequest,
    responses((status = 204, description = "Signing in asks for no code any more"))
)]
async fn remove(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthProveTotpRequest>,
) -> Result<StatusCode> {
    let origin = Origin::of(&actor.request);
    ops::remove(&ctx, actor.user_id, &body.password, &body.code, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get new recovery codes.
///
/// The old ones stop working. `409 totp_not_enabled`: there is no second factor.
#[utoipa::path(
    post, path = "/api/v1/auth/totp/recovery-codes", tags = ["auth"], operation_id = "auth_renew_recovery_codes",
    request_body = AuthProveTotpRequest,
    responses((status = 200, body = AuthRecoveryCodes))
)]
async fn renew(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthProveTotpRequest>,
) -> Result<Secret<AuthRecoveryCodes>> {
    let origin = Origin::of(&actor.request);
    let recovery_codes = ops::renew_codes(&ctx, actor.user_id, &body.password, &body.code, &origin).await?;
    Ok(secret(AuthRecoveryCodes { recovery_codes }))
}
