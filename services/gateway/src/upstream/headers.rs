//! What of a head is passed on, and what is added to it.

use std::time::Instant;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use stoa_edge::REQUEST_TIMEOUT;
use stoa_http::{Failure, RequestInfo, Result, codes, names};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static(names::REQUEST_ID);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Headers that are about one connection, beside `Connection` and those that it names.
const HOP_BY_HOP: [HeaderName; 7] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that `Connection` cannot make one's own: the edge decides by them, and so does the service behind it. Were they
/// left behind, the two would see different requests, such as one of a signed-in caller and one of nobody.
const END_TO_END: [HeaderName; 9] = [
    header::HOST,
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::ORIGIN,
    header::RANGE,
    header::LOCATION,
    header::ETAG,
    header::VARY,
];
const END_TO_END_NAMES: [&str; 6] = [
    names::API_KEY_HEADER,
    names::CSRF_HEADER,
    names::IDEMPOTENCY_KEY,
    names::REQUEST_ID,
    "traceparent",
    "tracestate",
];
/// The same for all headers whose names begin so.
const END_TO_END_FAMILIES: [&str; 7] = [
    "accept",
    "access-control-",
    "content-",
    "forwarded",
    "if-",
    "x-forwarded-",
    "x-request-",
];

/// Headers that are added at most.
const ADDED: usize = 6;

/// Makes the head of a caller's request that of one to an upstream. True if it asks for a WebSocket.
///
/// # Errors
/// 400 for a head that two readers could understand in two ways.
pub(super) fn to_upstream(parts: &mut Parts, info: &RequestInfo, deadline: Instant) -> Result<bool> {
    let headers = &mut parts.headers;
    let host = host(&parts.uri, headers)?;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        if headers.contains_key(header::CONTENT_LENGTH) {
            return Err(Failure::new(codes::MALFORMED).detail("The body has two lengths."));
        }
    } else if headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Failure::new(codes::MALFORMED).detail("The body has two lengths."));
    }
    let websocket = asks_for_websocket(parts.version, headers);
    let trailers = headers.get(header::TE).is_some_and(takes_trailers);
    strip(headers);
    // The gateway itself tells the caller to go on, as soon as there is somebody to send the body to.
    headers.remove(header::EXPECT);
    headers.remove(header::FORWARDED);
    if trailers {
        headers.insert(header::TE, TRAILERS);
    }
    if websocket {
        headers.insert(header::CONNECTION, UPGRADE);
        headers.insert(header::UPGRADE, WEBSOCKET);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host.clone());
        headers.insert(header::HOST, host);
    }
    headers.reserve(ADDED);
    let scheme = if info.secure { "https" } else { "http" };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    let left = deadline.saturating_duration_since(Instant::now());
    headers.insert(
        REQUEST_TIMEOUT,
        HeaderValue::from(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    );
    set(headers, FORWARDED_FOR, &info.address.to_string());
    set(headers, TRACEPARENT, &info.traceparent);
    if headers
        .get(REQUEST_ID)
        .is_none_or(|given| given.as_bytes() != info.request_id.as_bytes())
    {
        set(headers, REQUEST_ID, &info.request_id);
    }
    Ok(websocket)
}

/// Makes the head of an upstream's answer that of one to the caller.
pub(super) fn from_upstream(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        // What it says of the length beside that does not hold.
        headers.remove(header::CONTENT_LENGTH);
    }
    strip(headers);
}

/// The target of a request on an HTTP/1 connection: path and query only, byte for byte.
pub(super) fn origin_form(uri: Uri) -> Uri {
    if uri.scheme().is_none() && uri.authority().is_none() {
        return uri;
    }
    let path = uri.into_parts().path_and_query;
    path.map_or_else(Uri::default, Uri::from)
}

/// A caller of HTTP/1.0 need not name a host; on HTTP/1.1 there has to be one.
pub(super) fn name_host(headers: &mut HeaderMap, replica: &Authority) {
    if !headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::try_from(replica.as_str())
    {
        headers.insert(header::HOST, host);
    }
}

/// The target of a request on an HTTP/2 connection.
pub(super) fn absolute_form(uri: Uri, headers: &HeaderMap, replica: &Authority) -> Uri {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok()?.parse().ok());
    let mut parts = uri.into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(host.unwrap_or_else(|| replica.clone()));
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).unwrap_or_default()
}

/// The one host that the request names: in its target, or in its header.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Option<HeaderValue>> {
    if headers.get_all(header::HOST).iter().nth(1).is_some() {
        return Err(Failure::new(codes::MALFORMED).detail("The request names more than one host."));
    }
    match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str())
            .map(Some)
            .map_err(Failure::internal),
        None => Ok(headers.get(header::HOST).cloned()),
    }
}

/// Removes what is about the connection that the head came by.
fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let lines = headers.get_all(header::CONNECTION).into_iter();
        let named = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        let named: Vec<HeaderName> = named
            .map(str::trim)
            .filter(|name| !name.eq_ignore_ascii_case("keep-alive") && !name.eq_ignore_ascii_case("close"))
            .filter_map(|name| name.parse().ok())
            .filter(|name| !is_end_to_end(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn is_end_to_end(name: &HeaderName) -> bool {
    let text = name.as_str();
    END_TO_END.contains(name)
        || END_TO_END_NAMES.contains(&text)
        || END_TO_END_FAMILIES.iter().any(|family| text.starts_with(family))
}

/// Other protocols than WebSocket are not switched to: with `h2c` the caller would talk to the upstream past the edge.
fn asks_for_websocket(version: Version, headers: &HeaderMap) -> bool {
    let names = |name, word: &str| {
        let lines = headers
            .get_all(name)
            .into_iter()
            .filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    version == Version::HTTP_11
        && headers.contains_key(header::UPGRADE)
        && names(header::UPGRADE, "websocket")
        && names(header::CONNECTION, "upgrade")
}

fn takes_trailers(te: &HeaderValue) -> bool {
    let words = te.to_str().unwrap_or_default().split(',');
    words
        .map(str::trim)
        .any(|word| word.eq_ignore_ascii_case("trailers"))
}

/// HTTP/2 may send each cookie by itself; HTTP/1 knows one line only.
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_about_the_connection_stays_behind() {
        let mut headers = map(&[
            ("connection", "close, X-Private"),
            ("connection", "content-length"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "h2c"),
            ("content-length", "3"),
            ("x-public", "1"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, map(&[("content-length", "3"), ("x-public", "1")]));
    }

    #[test]
    fn no_caller_makes_the_service_see_another_request_than_the_edge() {
        for name in [
            "authorization",
            "cookie",
            "host",
            "x-api-key",
            "x-csrf-token",
            "idempotency-key",
            "content-type",
            "content-encoding",
            "x-forwarded-for",
            "x-forwarded-proto",
            "forwarded",
            "x-request-id",
            "x-request-timeout-ms",
            "traceparent",
            "origin",
            "if-match",
            "if-none-match",
            "range",
            "accept-encoding",
        ] {
            let mut headers = map(&[(name, "1")]);
            headers.insert(header::CONNECTION, name.to_uppercase().parse().unwrap());
            strip(&mut headers);
            assert_eq!(headers, map(&[(name, "1")]));
        }
    }

    #[test]
    fn only_websockets_are_switched_to() {
        let asks = |upgrade| {
            asks_for_websocket(
                Version::HTTP_11,
                &map(&[("connection", "keep-alive, Upgrade"), ("upgrade", upgrade)]),
            )
        };
        assert!(asks("websocket") && asks("WebSocket"));
        assert!(!asks("h2c") && !asks("websockets"));
    }

    #[test]
    fn cookies_of_http_2_become_one_line() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
        join_cookies(&mut headers);
        assert_eq!(headers, map(&[("cookie", "a=1; b=2")]));
    }

    #[test]
    fn targets_keep_their_bytes() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        assert_eq!(
            origin_form(uri("http://x/a%2Fb?c=%20&&d")).to_string(),
            "/a%2Fb?c=%20&&d"
        );
        let replica = Authority::from_static("10.0.0.1:80");
        let absolute = absolute_form(uri("/a%2Fb?"), &map(&[("host", "shop.example")]), &replica);
        assert_eq!(absolute.to_string(), "http://shop.example/a%2Fb?");
    }
}
