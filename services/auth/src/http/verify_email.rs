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
    notifications::MailKind,
    ops::{origin::Origin, password as links, verify_email as ops},
    password::Password,
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
    /// The password of the account. Needed only without a session of it.
    #[garde(dive)]
    #[schema(value_type = Option<String>, format = Password, max_length = 1024)]
    password: Option<Password>,
}

/// Verify an address by the link of a mail.
///
/// The link works once. It shows that you read the mailbox; a session of the account, or its password, shows that the account is yours
/// and not that of somebody who registered your address. If you did not make the account, reset its password: that verifies the
/// address too, and ends what others set up. `422` with `required` on `password`: send one of the two. `422` with `wrong_password`: it counts
/// as a failed sign-in.
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
    let proof = ops::Proof {
        signed_in: person(&caller),
        password: body.password.as_ref(),
    };
    ops::verify(&ctx, &body.token, proof, &Origin::of(&caller.request)).await?;
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
    links::send_link(
        &ctx,
        &body.email,
        MailKind::VerifyEmail,
        &Origin::of(&caller.request),
    )
    .await?;
    Ok(StatusCode::ACCEPTED)
}
