//! Server-sent events, for clients that cannot have a WebSocket.

use axum::{body::Body, extract::State, response::Response};
use garde::Validate;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use stoa_events::Channel;
use stoa_http::{Actor, Failure, Query, RequestInfo, Result, SignedIn, codes};

use super::{socket::refused, tickets::secret};
use crate::{
    ctx::Ctx,
    hub::{Frame, Open},
    ops::{
        subscribe::{self, Subscribed},
        tickets,
    },
    session::{Credential, Session},
    stream::{Events, Positions},
};

/// Channels of one request.
const MOST: usize = 20;
/// What a client says where it has come to; some send it in the query only.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What is to be sent.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RealtimeEventsQuery {
    /// Names of channels with a comma between each two, 20 at most.
    #[garde(length(bytes, min = 1, max = 4000))]
    #[param(example = "user:01a1fd28-cedf-7b1c-9a3e-5f9f7a2d4c11")]
    channels: String,
    /// In place of credentials in a header.
    #[garde(inner(length(bytes, max = 100)))]
    ticket: Option<String>,
    /// As the header `Last-Event-ID`, for a client that cannot send it.
    #[garde(inner(length(bytes, max = 4000)))]
    last_event_id: Option<String>,
}

/// Follow channels by server-sent events.
///
/// Each event is what a WebSocket is sent: messages, and what becomes of the subscriptions. Its id says how far the client has come with all
/// channels; with `Last-Event-ID` it is sent what it has missed. The credentials come in a header, a cookie, or by a ticket.
#[utoipa::path(
    get, path = "/api/v1/realtime/events", tags = ["realtime"], operation_id = "realtime_follow",
    params(RealtimeEventsQuery),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream", body = String))
)]
pub(super) async fn follow(
    caller: Result<Actor<SignedIn>>,
    State(ctx): State<Ctx>,
    info: RequestInfo,
    headers: HeaderMap,
    query: Result<Query<RealtimeEventsQuery>>,
) -> Result<Response> {
    let has_ticket = matches!(&query, Ok(Query(query)) if query.ticket.is_some());
    if !has_ticket {
        caller?;
    }
    let Query(query) = query?;
    let channels = channels_of(&query.channels)?;
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let positions = Positions::read(&channels, last.or(query.last_event_id.as_deref()));
    let secret = match &query.ticket {
        Some(ticket) => tickets::redeem(&ctx, ticket).await?,
        None => secret(&headers, info.secure).ok_or_else(|| Failure::new(codes::UNAUTHENTICATED))?,
    };
    let credential = Credential::open(&ctx, &secret.text, secret.of_cookie).await?;
    let open = Open::new(&ctx.hub, info.address).map_err(refused)?;
    let mut session = Session::new(ctx.clone(), open);
    session.sign_in(credential)?;
    subscribe_all(&ctx, &session, &channels, &positions).await?;
    let mut response = Response::new(Body::from_stream(Events::new(&ctx, session, positions).stream()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would gather what is to be sent.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The first event of each channel.
#[derive(Serialize)]
struct Begun<'a> {
    subscribed: &'a Subscribed,
}

async fn subscribe_all(
    ctx: &Ctx,
    session: &Session,
    channels: &[Channel],
    positions: &Positions,
) -> Result<()> {
    let connection = session.connection();
    let principal = connection.principal();
    let principal = principal.ok_or_else(|| Failure::internal("nobody has signed in"))?;
    for channel in channels {
        let begun = |told: &Subscribed| {
            let frame = Frame::of(&Begun { subscribed: told });
            Some(frame.at(told.channel.clone(), told.epoch.as_str().into(), told.offset))
        };
        let from = positions.of(channel);
        subscribe::subscribe(ctx, connection, &principal, channel, from, begun).await?;
    }
    Ok(())
}

fn channels_of(text: &str) -> Result<Vec<Channel>> {
    let mut channels: Vec<Channel> = Vec::new();
    for name in text.split(',') {
        let channel = name.trim().parse::<Channel>();
        let channel = channel.map_err(|error| Failure::invalid("channels", "format", error.to_string()))?;
        if channels.contains(&channel) {
            return Err(Failure::invalid(
                "channels",
                "invalid",
                "A channel is named twice",
            ));
        }
        channels.push(channel);
    }
    if channels.len() > MOST {
        let message = format!("At most {MOST} channels are followed by one request");
        return Err(Failure::invalid("channels", "too_long", message));
    }
    Ok(channels)
}
