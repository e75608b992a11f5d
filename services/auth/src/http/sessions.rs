//! One's sessions.

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use garde::Validate;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use stoa_http::{
    Actor, Failure, Json, Paged, Path, Person, Query, RequestFacts, Result, endpoints, names, session_cookie,
};
use stoa_kernel::{Page, SessionId, Timestamp};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::cookies;
use crate::{
    ctx::Ctx,
    ops::{credentials::ApiKeys, origin::Origin, sessions as ops},
    store::sessions,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(list, end_all, end)
}

/// One sign-in that has not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthSessionInfo {
    #[schema(value_type = String, format = Uuid)]
    id: SessionId,
    created_at: Timestamp,
    /// When it last got new tokens.
    last_used_at: Timestamp,
    /// From where it last got new tokens.
    #[schema(example = "192.0.2.7")]
    address: String,
    user_agent: Option<String>,
    /// Whether it is the session that asks.
    current: bool,
}

/// List your sessions.
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/sessions", tags = ["auth"], operation_id = "auth_list_sessions",
    params(Paged),
    responses((status = 200, body = Page<AuthSessionInfo>))
)]
async fn list(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<AuthSessionInfo>>> {
    let found = sessions::list(&ctx.db, actor.user_id, &page).await?;
    let shown = found.map(|row| AuthSessionInfo {
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        address: row.address,
        user_agent: row.user_agent,
        current: row.id == actor.session,
    });
    Ok(Json(shown))
}

/// What ends beside sessions.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EndSessionsQuery {
    /// Whether your API keys end as well.
    #[serde(default)]
    #[garde(skip)]
    #[param(required = false)]
    end_api_keys: bool,
}

/// Sign out everywhere.
///
/// Ends all of your sessions, this one as well, and your API keys if you wish. The wish is in the query; a body is refused.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions", tags = ["auth"], operation_id = "auth_end_sessions",
    params(EndSessionsQuery), responses((status = 204, description = "All sessions have ended"))
)]
async fn end_all(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Query(query): Query<EndSessionsQuery>,
    request: Request,
) -> Result<Response> {
    if !request.body().is_end_stream() {
        let message = "This request takes no body; write ?end_api_keys=true";
        return Err(Failure::invalid("", "invalid", message));
    }
    let keys = ApiKeys::end_if(query.end_api_keys);
    ops::end_everywhere(&ctx, actor.user_id, keys, &Origin::of(&actor.request)).await?;
    Ok(gone(&ctx, &actor.request, request.headers()))
}

/// End one of your sessions.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}", tags = ["auth"], operation_id = "auth_end_session",
    params(("id" = uuid::Uuid, Path, description = "The session")),
    responses((status = 204, description = "The session has ended"))
)]
async fn end(
    actor: Actor<Person>,
    State(ctx): State<Ctx>,
    Path(id): Path<SessionId>,
    headers: HeaderMap,
) -> Result<Response> {
    ops::end_own(&ctx, actor.user_id, id, &Origin::of(&actor.request)).await?;
    Ok(if id == actor.session {
        gone(&ctx, &actor.request, &headers)
    } else {
        StatusCode::NO_CONTENT.into_response()
    })
}

/// 204; and a browser's cookies go with its session.
pub(super) fn gone(ctx: &Ctx, info: &RequestFacts, headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if session_cookie(headers, names::ACCESS_COOKIE, info.secure).is_some() {
        cookies::clear(response.headers_mut(), &ctx.config, info.secure);
    }
    response
}
