//! Web Push.

mod encrypt;
mod subscription;

use bytes::Bytes;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use stoa_kernel::Clock;
use stoa_outbound::{
    HeaderMap, HeaderName, HeaderValue, Method, Outbound, Request, Response, StatusCode, header,
};
use stoa_providers::{Cause, SendError, api};

use crate::{Push, VapidKey, json_length, shortened};
pub use subscription::{Subscription, SubscriptionError};

/// Bytes of what stands at the end of a text that was cut.
const ELLIPSIS: usize = "…".len();
/// Most that is read of an answer.
const ANSWER: usize = 16 * 1024;

/// What the receiver decrypts: JSON.
#[derive(Serialize)]
struct Payload<'a> {
    id: &'a str,
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    title: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: &'a BTreeMap<String, String>,
}

/// What a push service is told beside the message.
pub(crate) struct Sending<'a> {
    pub(crate) key: &'a VapidKey,
    pub(crate) contact: Option<&'a str>,
    pub(crate) clock: &'a Clock,
    pub(crate) timeout: Duration,
}

/// Sends a message, and returns the address that the push service gave it.
pub(crate) async fn send(
    outbound: &Outbound,
    sending: &Sending<'_>,
    to: &Subscription,
    push: &Push,
) -> Result<String, SendError> {
    let refuse = |why: &str| SendError::Permanent(why.to_owned());
    let payload = payload(push).map_err(|e| refuse(&e.to_string()))?;
    let body = encrypt::encrypt(&payload, to)?;
    let request = Request {
        method: Method::POST,
        url: to.endpoint(),
        headers: headers(sending, to, push).ok_or_else(|| refuse("the request cannot be made"))?,
        body: Bytes::from(body),
        timeout: sending.timeout,
        max_body: ANSWER,
    };
    let answer = api::call(outbound, request).await?;
    outcome(&answer, sending.clock)
}

/// The message, of which the text and then the title are cut where it would be too long.
fn payload(push: &Push) -> Result<Vec<u8>, serde_json::Error> {
    let with = |title: &str, body: &str| {
        serde_json::to_vec(&Payload {
            id: &push.id,
            kind: &push.kind,
            title,
            body,
            url: push.link.as_deref(),
            data: &push.data,
        })
    };
    let whole = with(&push.title, &push.text)?;
    let Some(over) = whole.len().checked_sub(encrypt::LONGEST).filter(|over| *over > 0) else {
        return Ok(whole);
    };
    let body = cut(&push.text, over);
    let with_body = with(&push.title, &body)?;
    match with_body
        .len()
        .checked_sub(encrypt::LONGEST)
        .filter(|over| *over > 0)
    {
        None => Ok(with_body),
        Some(over) => with(&cut(&push.title, over), &body),
    }
}

/// The text, so many bytes shorter as JSON writes it; empty if that is all of it.
fn cut(text: &str, bytes: usize) -> String {
    match json_length(text).saturating_sub(bytes) {
        room if room > ELLIPSIS => shortened(text, room),
        _ => String::new(),
    }
}

fn headers(sending: &Sending<'_>, to: &Subscription, push: &Push) -> Option<HeaderMap> {
    let authorization = sending
        .key
        .authorization(&to.origin(), sending.contact, sending.clock.now())?;
    let mut authorization = HeaderValue::try_from(authorization).ok()?;
    authorization.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization);
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(HeaderName::from_static("ttl"), push.ttl_seconds().into());
    headers.insert(
        HeaderName::from_static("urgency"),
        HeaderValue::from_static(push.urgency.name()),
    );
    if let Some(topic) = &push.topic {
        headers.insert(
            HeaderName::from_static("topic"),
            HeaderValue::try_from(topic).ok()?,
        );
    }
    Some(headers)
}

/// What a push service says of a subscription is about that alone: somebody who gives a bad one must not stop messages to others.
fn outcome(answer: &Response, clock: &Clock) -> Result<String, SendError> {
    if answer.status.is_success() {
        let place = answer.headers.get(header::LOCATION);
        let place = place.and_then(|place| place.to_str().ok()).unwrap_or_default();
        return Ok(place.chars().take(500).collect());
    }
    let why = api::words(answer.status, &String::from_utf8_lossy(&answer.body));
    let retry_after = api::retry_after(&answer.headers, clock);
    Err(match answer.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => SendError::Gone(why),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => SendError::Transient {
            why,
            retry_after,
            cause: Cause::Recipient,
        },
        status if status.is_server_error() => SendError::Transient {
            why,
            retry_after,
            cause: Cause::Provider,
        },
        // 400, 401, 403: the key is not the one that the browser subscribed with. 413: too long for this service. A redirect.
        _ => SendError::Permanent(why),
    })
}
