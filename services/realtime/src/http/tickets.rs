//! Tickets.

use axum::extract::State;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use stoa_cache::LimitKey;
use stoa_http::{Actor, Credential, Failure, Json, Result, SignedIn, codes, credential};
use stoa_kernel::Timestamp;
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    ops::tickets::{self, Secret},
    session,
};

/// A ticket, to be shown once in place of a token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RealtimeTicket {
    ticket: String,
    /// Until when it can be used.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Get a ticket.
///
/// For a client that keeps its session in cookies, or cannot send a header with a connection. It can be used once, within seconds, and
/// connects with the credentials of this request.
#[utoipa::path(
    post, path = "/api/v1/realtime/tickets", tags = ["realtime"], operation_id = "realtime_create_ticket",
    responses((status = 201, description = "The ticket", body = RealtimeTicket))
)]
pub(super) async fn create(
    actor: Actor<SignedIn>,
    State(ctx): State<Ctx>,
    headers: HeaderMap,
) -> Result<(
    StatusCode,
    [(header::HeaderName, HeaderValue); 1],
    Json<RealtimeTicket>,
)> {
    let user = actor.user_id;
    session::within(&ctx.tickets, LimitKey::User(user.uuid().into_bytes())).await?;
    let secret =
        secret(&headers, actor.request.secure).ok_or_else(|| Failure::new(codes::UNAUTHENTICATED))?;
    let (ticket, expires_at) = tickets::create(&ctx, user, &secret).await?;
    let private = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((
        StatusCode::CREATED,
        private,
        Json(RealtimeTicket { ticket, expires_at }),
    ))
}

/// The credentials of a request.
pub(super) fn secret(headers: &HeaderMap, secure: bool) -> Option<Secret> {
    let (text, of_cookie) = match credential(headers, secure)? {
        Credential::Token(text) | Credential::Key(text) => (text, false),
        Credential::Cookie(text) => (text, true),
    };
    Some(Secret {
        text: text.to_owned(),
        of_cookie,
    })
}
