//! Signing out.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use stoa_http::{Actor, Failure, RequestInfo, Result, SignedIn, codes, endpoints};
use stoa_kernel::{SessionId, UserId};
use utoipa_axum::router::OpenApiRouter;

use super::{cookies, refresh::from_cookie};
use crate::{
    ctx::Ctx,
    ops::{
        origin::Origin,
        refresh::{self, Presented},
        sessions,
    },
    tokens::hash_of,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(create)
}

/// Sign out.
///
/// Ends the session; its tokens are refused from now on. A browser's cookies are taken away. A browser whose access token has
/// expired may come with the cookie of its refresh token instead, and the header `x-csrf-token`.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tags = ["auth"], operation_id = "auth_logout",
    responses((status = 204, description = "Signed out"))
)]
async fn create(
    actor: Result<Actor<SignedIn>>,
    State(ctx): State<Ctx>,
    info: RequestInfo,
    headers: HeaderMap,
) -> Result<Response> {
    let (user, session) = session_of(&ctx, actor, &headers, info.secure).await?;
    sessions::end(&ctx, user, session, &Origin::of(&info)).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut(), &ctx.config, info.secure);
    Ok(response)
}

async fn session_of(
    ctx: &Ctx,
    actor: Result<Actor<SignedIn>>,
    headers: &HeaderMap,
    secure: bool,
) -> Result<(UserId, SessionId)> {
    let refusal = match actor {
        Ok(actor) => {
            let no_session = || Failure::new(codes::FORBIDDEN).detail("An API key has no session to end.");
            return Ok((actor.user_id, actor.session_id.ok_or_else(no_session)?));
        }
        Err(refusal) => refusal,
    };
    let Some(presented @ Presented::Cookie(..)) = from_cookie(headers, secure) else {
        return Err(refusal);
    };
    let Presented::Cookie(token, _) = &presented else {
        return Err(refusal);
    };
    let token = refresh::find(ctx, &hash_of(token), &presented).await?;
    Ok((token.user_id, token.session_id))
}
