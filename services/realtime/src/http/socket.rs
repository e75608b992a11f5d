//! The WebSocket.

use axum::{extract::State, response::Response};
use http::{HeaderValue, header};
use stoa_http::{Anyone, Failure, Problem, Result, codes};

use crate::{
    ctx::Ctx,
    error::TOO_MANY_CONNECTIONS,
    hub::{Open, Refusal},
    session::Session,
    socket::{Upgrade, drive},
};

/// Connect by WebSocket.
///
/// The first command says who you are: `{"id":1,"connect":{"token":"…"}}`, with an access token, an API key, or a ticket of
/// `/api/v1/realtime/tickets`. See the guide on realtime for all commands, what is sent, and what close codes mean.
#[utoipa::path(
    get, path = "/api/v1/realtime", tags = ["realtime"], operation_id = "realtime_connect",
    responses(
        (status = 101, description = "The connection goes on as a WebSocket"),
        (status = 426, description = "This address speaks WebSocket", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn connect(caller: Anyone, State(ctx): State<Ctx>, upgrade: Upgrade) -> Result<Response> {
    let open = Open::new(&ctx.hub, caller.request.address).map_err(refused)?;
    Ok(upgrade.accept(move |stream| async move {
        let open_now = metrics::gauge!("stoa_realtime_connections", "kind" => "websocket");
        open_now.increment(1.0);
        drive(stream, &ctx.config, Session::new(ctx.clone(), open)).await;
        open_now.decrement(1.0);
    }))
}

/// What somebody is told for whom there is no room.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let failure = match refusal {
        Refusal::Full => Failure::new(codes::UNAVAILABLE),
        Refusal::Closing => Failure::new(codes::UNAVAILABLE).detail("The server is about to stop."),
        Refusal::Address => Failure::new(TOO_MANY_CONNECTIONS)
            .detail("There are as many connections from your address as one may have."),
    };
    failure.header(header::RETRY_AFTER, HeaderValue::from_static("5"))
}
