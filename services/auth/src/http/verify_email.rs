//! Showing that an address is one's own.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use stoa_http::{Anyone, Json, Result, endpoints};
use stoa_kernel::UserId;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::password::AuthAddressRequest;
use crate::{
    ctx::Ctx,
    mails::MailKind,
    ops::{origin::Origin, password, verify_email as ops},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(verify, resend)
}

/// A link's token.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthVerifyEmailRequest {
    /// From the link.
    #[garde(length(bytes, max = 256))]
    #[schema(max_length = 256)]
    token: String,
}

/// Verify an address by the link of a mail.
///
/// The link works once. Send your session along if you have one. Without it an API key, a second factor or a grant that was
/// set up before ends, for it may be of somebody who registered an address that is not theirs; sessions go on.
#[utoipa::path(
    post, path = "/api/v1/auth/email/verify", tags = ["auth"], operation_id = "auth_verify_email",
    request_body = AuthVerifyEmailRequest,
    responses((status = 204, description = "The address is verified"))
)]
async fn verify(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthVerifyEmailRequest>,
) -> Result<StatusCode> {
    ops::verify(&ctx, &body.token, person(&caller), &Origin::of(&caller.request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose session a request comes with. An API key is none.
fn person(caller: &Anyone) -> Option<UserId> {
    let principal = caller.principal.as_ref()?;
    principal.session_id.map(|_| principal.user_id)
}

/// Ask for the mail that verifies an address again.
///
/// The answer is the same whether the address has an account, is verified already, or neither.
#[utoipa::path(
    post, path = "/api/v1/auth/email/verify/resend", tags = ["auth"], operation_id = "auth_resend_verification",
    request_body = AuthAddressRequest,
    responses((status = 202, description = "If the address waits to be verified, a mail is on its way"))
)]
async fn resend(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Json(body): Json<AuthAddressRequest>,
) -> Result<StatusCode> {
    password::send_link(
        &ctx,
        &body.email,
        MailKind::VerifyEmail,
        &Origin::of(&caller.request),
    )
    .await?;
    Ok(StatusCode::ACCEPTED)
}
