//! Changing a password, and choosing a new one by mail.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use stoa_http::{Actor, Anyone, Json, Person, Result, endpoints};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    ctx::Ctx,
    email::is_email,
    notifications::MailKind,
    ops::{credentials::ApiKeys, origin::Origin, password as ops},
    password::Password,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(change, reset, confirm_reset)
}

/// The current and the new password.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthChangePasswordRequest {
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    current_password: Password,
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    new_password: Password,
    /// Whether your API keys end as well: do so if somebody else may have used your account.
    #[serde(default)]
    #[garde(skip)]
    end_api_keys: bool,
}

/// Change your password.
///
/// Ends all of your other sessions, and your API keys if you wish. You are told by mail. A wrong current password is a wrong field, `422` with `wrong_password`, and counts as a failed
/// sign-in.
#[utoipa::path(
    post, path = "/api/v1/auth/password/change", tags = ["auth"], operation_id = "auth_change_password",
    request_body = AuthChangePasswordRequest,
    responses((status = 204, description = "The password was changed"))
)]
async fn change(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthChangePasswordRequest>,
) -> Result<StatusCode> {
    let who = (actor.user_id, actor.session);
    ops::change(
        &ctx,
        who,
        &body.current_password,
        &body.new_password,
        ApiKeys::end_if(body.end_api_keys),
        &Origin::of(&actor.request),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where to send a link.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.org"}))]
pub(super) struct AuthAddressRequest {
    #[garde(custom(is_email))]
    #[schema(format = Email, max_length = 254)]
    pub(super) email: String,
}

/// Ask for a link to a new password.
///
/// The answer is the same whether the address has an account or not.
#[utoipa::path(
    post, path = "/api/v1/auth/password/reset", tags = ["auth"], operation_id = "auth_reset_password",
    request_body = AuthAddressRequest,
    responses((status = 202, description = "If the address has an account, a mail is on its way"))
)]
async fn reset(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthAddressRequest>,
) -> Result<StatusCode> {
    ops::send_link(
        &ctx,
        &body.email,
        MailKind::ResetPassword,
        &Origin::of(&caller.request),
    )
    .await?;
    Ok(StatusCode::ACCEPTED)
}

/// A link's token, and the new password.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthConfirmResetRequest {
    /// From the link.
    #[garde(length(bytes, max = 256))]
    #[schema(max_length = 256)]
    token: String,
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    new_password: Password,
    /// Whether API keys go on working. They end if the address was not verified before: somebody else may have made them.
    #[serde(default)]
    #[garde(skip)]
    keep_api_keys: bool,
}

/// Choose a new password by the link of a mail.
///
/// The link works once. Ends all sessions of the account, and its API keys unless you wish to keep them; and if the address was
/// not verified before, everything that was set up for the account, the second factor too.
#[utoipa::path(
    post, path = "/api/v1/auth/password/reset/confirm", tags = ["auth"], operation_id = "auth_confirm_reset_password",
    request_body = AuthConfirmResetRequest,
    responses((status = 204, description = "The password was changed"))
)]
async fn confirm_reset(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthConfirmResetRequest>,
) -> Result<StatusCode> {
    let keys = ApiKeys::end_if(!body.keep_api_keys);
    ops::reset(
        &ctx,
        &body.token,
        &body.new_password,
        keys,
        &Origin::of(&caller.request),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
