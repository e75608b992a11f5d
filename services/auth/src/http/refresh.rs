//! New tokens for a refresh token.

use axum::{
    extract::{FromRequest, Request, State},
    response::Response,
};
use garde::Validate;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use stoa_http::{Anyone, Json, Query, Result, endpoints, names, session_cookie};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::signed_in::{AuthSession, ModeQuery, answer};
use crate::{
    ctx::Ctx,
    error::{Error, REFRESH_INVALID},
    ops::{
        origin::Origin,
        refresh::{self, Presented},
        sessions::Mode,
    },
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(create)
}

/// The token that the last answer held.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthRefreshRequest {
    #[garde(length(bytes, max = 256))]
    #[schema(max_length = 256)]
    refresh_token: String,
}

/// Get new tokens.
///
/// A refresh token is good once. If one comes again, its session ends, for it may have been stolen: `401 refresh_reused`. Only
/// within seconds of its use, for tabs that come at once or an answer that was lost, it is answered again, or refused with
/// `401 refresh_invalid` while the session goes on. In mode `cookie` no body is read: the token is in its cookie, and the header `x-csrf-token` is needed.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tags = ["auth"], operation_id = "auth_refresh",
    params(ModeQuery, ("x-csrf-token" = Option<String>, Header, description = "In mode `cookie`: the value of the cookie `stoa_csrf`.")),
    request_body(content = Option<AuthRefreshRequest>, description = "In mode `bearer`; in mode `cookie` none is needed."),
    responses((status = 200, body = AuthSession))
)]
async fn create(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Query(mode): Query<ModeQuery>,
    request: Request,
) -> Result<Response> {
    let presented = match mode.mode {
        Mode::Bearer => {
            let Json(body) = Json::<AuthRefreshRequest>::from_request(request, &()).await?;
            Presented::Bearer(body.refresh_token)
        }
        Mode::Cookie => {
            from_cookie(request.headers(), caller.request.secure).ok_or(Error::Refused(REFRESH_INVALID))?
        }
    };
    let signed_in = refresh::refresh(&ctx, presented, &Origin::of(&caller.request)).await?;
    Ok(answer(StatusCode::OK, signed_in, &ctx.config, &caller.request))
}

/// What a browser presents, if it has a session.
pub(super) fn from_cookie(headers: &HeaderMap, secure: bool) -> Option<Presented> {
    let token = session_cookie(headers, names::REFRESH_COOKIE, secure)?.to_owned();
    let csrf = headers
        .get(names::CSRF_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Some(Presented::Cookie(token, csrf))
}
