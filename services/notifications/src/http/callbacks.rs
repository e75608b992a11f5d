//! Where providers report what became of messages. They call with a signature in place of a token.

use axum::extract::{FromRequest as _, Request, State};
use http::{HeaderMap, StatusCode};
use stoa_cache::LimitKey;
use stoa_http::{Anyone, Failure, Path, Result, Upload, codes};
use stoa_mail::EventKey;

use crate::{
    ctx::Ctx,
    error::Error,
    ops::callbacks::{self as ops, ProviderEvent},
};

/// Largest body, in bytes: providers send their events in batches that are smaller.
const BODY: usize = 1024 * 1024;

/// Take a provider's report of what became of messages.
///
/// `sendgrid`: its signed event webhook, by the key of `mail.event_key`. `twilio`: its status callbacks and replies such as STOP, signed over
/// `sms.callback_url`. Anything that is not signed so is refused with `403`. `404`: no such provider is set up to report anything. `429`: too
/// many requests from this address were refused.
#[utoipa::path(
    post, path = "/api/v1/notifications/callbacks/{provider}", tags = ["notifications"], operation_id = "notifications_receive_callback",
    params(("provider" = String, Path, pattern = "^(sendgrid|twilio)$")),
    request_body(content(("application/octet-stream"))),
    responses((status = 204, description = "It is taken"))
)]
pub(super) async fn receive(
    caller: Anyone,
    State(ctx): State<Ctx>,
    Path(provider): Path<String>,
    request: Request,
) -> Result<StatusCode> {
    let is_set_up = match provider.as_str() {
        "sendgrid" => ctx.mailer.has_event_key(),
        "twilio" => ctx.sms.has_callbacks(),
        _ => false,
    };
    if !is_set_up {
        return Err(Error::NotFound.into());
    }
    let address = LimitKey::address(caller.request.address);
    let verdict = ctx.refused_callbacks.peek(address).await;
    if let Some(verdict) = verdict.filter(|verdict| verdict.remaining == 0) {
        return Err(Error::TooMany(verdict.reset).into());
    }
    let headers = request.headers().clone();
    let body = Upload::from_request(request, &()).await?.bytes;
    if body.len() > BODY {
        return Err(Failure::new(codes::TOO_LARGE));
    }
    let events = match provider.as_str() {
        "sendgrid" => sendgrid(&ctx, &headers, &body),
        _ => twilio(&ctx, &headers, &body)?,
    };
    let Some(events) = events else {
        ctx.refused_callbacks.spend(address, 1).await;
        return Err(Failure::new(codes::FORBIDDEN).detail("It is not signed by the provider, or too old."));
    };
    ops::accept(&ctx, events).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// What SendGrid reports; none if it is not SendGrid.
fn sendgrid(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Option<Vec<ProviderEvent>> {
    let signature = header(headers, EventKey::SIGNATURE);
    let timestamp = header(headers, EventKey::TIMESTAMP);
    if !ops::is_recent(ctx, timestamp) || !ctx.mailer.verifies_events(signature, timestamp, body) {
        return None;
    }
    let events = stoa_mail::parse_events(body).unwrap_or_default();
    Some(events.iter().map(ops::of_mail).collect())
}

/// What Twilio reports; none if it is not Twilio.
fn twilio(ctx: &Ctx, headers: &HeaderMap, body: &[u8]) -> Result<Option<Vec<ProviderEvent>>, Error> {
    if !ctx.sms.verifies(body, header(headers, "x-twilio-signature")) {
        return Ok(None);
    }
    let events = match (stoa_sms::parse_callback(body), stoa_sms::parse_reply(body)) {
        (Some(event), _) => ops::of_sms(ctx, &event)?,
        (None, Some(reply)) => Some(ops::of_reply(ctx, &reply)?),
        (None, None) => None,
    };
    Ok(Some(events.into_iter().collect()))
}
