//! Registration.

use axum::{extract::State, response::Response};
use garde::Validate;
use http::StatusCode;
use serde::Deserialize;
use stoa_http::{Anyone, Failure, Json, Query, Result, endpoints, is_line};
use stoa_kernel::text;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::signed_in::{AuthSession, ModeQuery, answer};
use crate::{
    ctx::Ctx,
    email::{Email, is_email},
    ops::{
        origin::Origin,
        register::{self, NewAccount},
    },
    password::Password,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(create)
}

/// Who registers.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.org", "password": "tin roof rusted", "first_name": "Ada", "last_name": "Byron"}))]
pub(super) struct AuthRegisterRequest {
    #[garde(custom(is_email))]
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// 8 to 128 characters unless set otherwise; not the address, nor one of the most common ones.
    #[garde(dive)]
    #[schema(value_type = String, format = Password, max_length = 1024)]
    password: Password,
    #[garde(inner(custom(is_name)))]
    #[schema(max_length = 100)]
    first_name: Option<String>,
    #[garde(inner(custom(is_name)))]
    #[schema(max_length = 100)]
    last_name: Option<String>,
}

fn is_name(text: &str, (): &()) -> garde::Result {
    match text.trim() {
        "" => Ok(()),
        text => is_line(text, 100),
    }
}

/// Make an account.
///
/// Signs it in as well, and sends a mail to verify its address. `409 email_taken`: the address has an account. `403
/// registration_closed`: accounts are made by an administrator.
#[utoipa::path(
    post, path = "/api/v1/auth/register", tags = ["auth"], operation_id = "auth_register",
    params(ModeQuery), request_body = AuthRegisterRequest,
    responses((status = 201, body = AuthSession))
)]
async fn create(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Query(mode): Query<ModeQuery>,
    Json(body): Json<AuthRegisterRequest>,
) -> Result<Response> {
    let not_an_address = || Failure::invalid("email", "format", "Not an e-mail address");
    let new = NewAccount {
        email: Email::parse(&body.email).ok_or_else(not_an_address)?,
        password: body.password,
        first_name: body.first_name.as_deref().and_then(text::line),
        last_name: body.last_name.as_deref().and_then(text::line),
        is_invited: false,
    };
    let signed_in = register::register(&ctx, new, mode.mode, &Origin::of(&caller.request)).await?;
    Ok(answer(
        StatusCode::CREATED,
        signed_in,
        &ctx.config,
        &caller.request,
    ))
}
