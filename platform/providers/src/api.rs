//! Providers that are asked by HTTP.

use std::time::Duration;

use jiff::fmt::rfc2822;
use percent_encoding::percent_decode_str;
use stoa_kernel::Clock;
use stoa_outbound::{HeaderMap, Outbound, OutboundError, Request, Response, StatusCode, UrlError, header};
use url::Url;

use crate::{Cause, SendError};

/// How long a provider is left alone that says that it has too much to do, and not for how long.
const BUSY: Duration = Duration::from_secs(60);
/// How long a message waits that was not sent because too many others were.
const NO_TURN: Duration = Duration::from_secs(5);
/// The longest wait that an answer may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Characters that are kept of what a provider says.
const WORDS: usize = 500;

/// The beginning of the addresses of an API whose setting is `scheme://…@host:port`: `https://host:port`, or `http://` with
/// `?tls=none`. `key` is the setting.
///
/// # Errors
/// When it names no host.
pub fn base(url: &Url, key: &str) -> Result<String, SendError> {
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| SendError::Config(format!("{key} names no host")))?;
    let plain = url
        .query_pairs()
        .any(|(name, value)| name == "tls" && value == "none");
    let scheme = if plain { "http" } else { "https" };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}"))
}

/// A user or password as it stands in a URL, decoded; none if it is not UTF-8.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Asks, and returns the answer, whatever it says.
///
/// # Errors
/// When there is none: [`SendError::Transient`], or [`SendError::Permanent`] for an address that may not be called.
pub async fn call(outbound: &Outbound, request: Request<'_>) -> Result<Response, SendError> {
    outbound.send(request).await.map_err(|error| match error {
        OutboundError::Busy => SendError::Transient {
            why: error.to_string(),
            retry_after: Some(NO_TURN),
            cause: Cause::Busy,
        },
        // The request may have been read.
        OutboundError::Timeout(_) | OutboundError::Broken(_) => {
            SendError::transient(Cause::Lost, error.to_string())
        }
        // A name that is not known now may be known later.
        OutboundError::Url(UrlError::Host) => SendError::transient(Cause::Provider, error.to_string()),
        OutboundError::Url(_) | OutboundError::Request(_) => SendError::Permanent(error.to_string()),
        _ => SendError::transient(Cause::Provider, error.to_string()),
    })
}

/// As [`call`], unless the answer says that the provider cannot do its work now.
///
/// # Errors
/// As [`call`]; and [`SendError::Transient`] for 408, 429 and 5xx.
pub async fn ask(outbound: &Outbound, request: Request<'_>) -> Result<Response, SendError> {
    let answer = call(outbound, request).await?;
    let busy = answer.status == StatusCode::TOO_MANY_REQUESTS;
    if !busy && answer.status != StatusCode::REQUEST_TIMEOUT && !answer.status.is_server_error() {
        return Ok(answer);
    }
    let asked = retry_after(&answer.headers, &Clock::system());
    Err(SendError::Transient {
        why: words(answer.status, &String::from_utf8_lossy(&answer.body)),
        retry_after: asked.or(busy.then_some(BUSY)),
        cause: Cause::Provider,
    })
}

/// What a provider said, on one line, bounded, and without addresses and numbers of people: it is kept longer than these may be.
#[must_use]
pub fn words(status: StatusCode, said: &str) -> String {
    let is_personal =
        |word: &str| word.contains('@') || word.chars().filter(char::is_ascii_digit).count() > 6;
    let words: Vec<_> = said
        .split_whitespace()
        .map(|word| if is_personal(word) { "(address)" } else { word })
        .collect();
    let said: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(WORDS)
        .collect();
    format!("{} {said}", status.as_u16()).trim_end().to_owned()
}

/// How long the answer asks to wait: `Retry-After`, in seconds or as a date; a day at most.
#[must_use]
pub fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(at.duration_since(clock.now())).ok()?
        }
    };
    Some(asked.min(LONGEST))
}
