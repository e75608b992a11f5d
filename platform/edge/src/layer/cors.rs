//! Pages of other origins that may call.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use stoa_http::{Failure, Result};

use crate::{CorsConfig, Origin, codes::ORIGIN_NOT_ALLOWED};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_NAMES: &str = "authorization, baggage, cache-control, content-digest, content-disposition, content-encoding, content-md5, \
     content-type, expires, idempotency-key, if-match, if-modified-since, if-none-match, if-range, if-unmodified-since, range, \
     repr-digest, traceparent, tracestate, tus-resumable, upload-checksum, upload-concat, upload-defer-length, upload-length, \
     upload-metadata, upload-offset, x-api-key, x-csrf-token, x-http-method-override, x-link-password, x-request-id, x-requested-with";
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(REQUEST_NAMES);
/// Of such headers a caller chooses the names. A list cannot name them all, so those are named that are asked for: metadata of objects, and
/// what clients of S3 send.
const REQUEST_FAMILIES: [&str; 3] = ["x-meta-", "x-amz-", "amz-sdk-"];
/// The same of answers, where those are named that are there.
const RESPONSE_FAMILIES: [&str; 2] = ["x-meta-", "x-amz-"];
const RESPONSE_NAMES: &str = "accept-ranges, content-disposition, content-range, etag, idempotency-replayed, link, location, ratelimit-limit, \
     ratelimit-remaining, ratelimit-reset, retry-after, tus-checksum-algorithm, tus-extension, tus-max-size, tus-resumable, \
     tus-version, upload-concat, upload-defer-length, upload-expires, upload-length, upload-metadata, upload-offset, x-request-id, \
     x-version-id";
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(RESPONSE_NAMES);
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// The rules of section `[gateway.cors]`.
pub(super) struct Cors {
    any: bool,
    named: Vec<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    pub(super) fn new(config: &CorsConfig) -> Self {
        let named = config.origins.iter().filter_map(|origin| match origin {
            Origin::Any => None,
            Origin::Named(origin) => Some(origin.clone()),
        });
        Self {
            any: config.origins.contains(&Origin::Any),
            named: named.collect(),
            credentials: config.credentials,
            max_age: HeaderValue::from(config.max_age.0.as_secs()),
        }
    }

    /// The answer to a browser that asks whether a page may call, if that is what the request is.
    ///
    /// # Errors
    /// 403 if it may not.
    pub(super) fn preflight(&self, parts: &Parts) -> Result<Option<Response>> {
        if parts.method != Method::OPTIONS
            || !parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Ok(None);
        }
        if self.allowed(&parts.headers).is_none() {
            return Err(Failure::new(ORIGIN_NOT_ALLOWED));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        let more = asked(&parts.headers);
        let allowed = with(REQUEST_NAMES, &more).unwrap_or(REQUEST_HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        Ok(Some(response))
    }

    /// What to say in `Access-Control-Allow-Origin`, if the request is of an origin that may call.
    pub(super) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        if self.any {
            return Some(ANY);
        }
        self.named.iter().find(|named| *named == origin).cloned()
    }

    /// Lets the page read the answer.
    pub(super) fn sign(&self, headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
        if !self.named.is_empty() && !self.any {
            headers.append(header::VARY, VARY_ORIGIN);
        }
        let Some(allowed) = allowed else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let own = headers.keys().map(HeaderName::as_str);
        let own: Vec<_> = own.filter(|name| is_of(&RESPONSE_FAMILIES, name)).collect();
        let exposed = with(RESPONSE_NAMES, &own).unwrap_or(RESPONSE_HEADERS);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
    }
}

/// Names of headers that a page asks to send, of those that are not listed one by one.
fn asked(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim);
    names.filter(|name| is_of(&REQUEST_FAMILIES, name)).collect()
}

/// Whether it is the name of a header, written as browsers do, and of one of these families.
fn is_of(families: &[&str], name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    families.iter().any(|family| name.starts_with(family)) && name.bytes().all(is_letter)
}

/// The list with more names; none if there are no more.
fn with(list: &str, more: &[&str]) -> Option<HeaderValue> {
    if more.is_empty() {
        return None;
    }
    HeaderValue::try_from(format!("{list}, {}", more.join(", "))).ok()
}
