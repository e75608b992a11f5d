//! How every answer leaves: problems complete, and with the headers that each must have.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use stoa_http::{AsIs, Code, FailureInfo, Problem, Protocol, RefusedRequest, codes, names, with_request_id};

use super::exchange::Exchange;
use crate::codes::{CODES, REFUSED};

const REQUEST_ID: HeaderName = HeaderName::from_static(names::REQUEST_ID);
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const DENY: HeaderValue = HeaderValue::from_static("DENY");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// An answer of the API is data: should a browser show it after all, it loads and runs nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Makes a problem of whatever was refused without one, writes the request's id into it, and logs what lies behind it.
pub(super) fn problems(response: Response, exchange: &Exchange<'_>) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    if let Some(FailureInfo(facts)) = response.extensions().get::<FailureInfo>() {
        log(exchange, status, &facts.problem.code, facts.internal.as_deref());
        let facts = std::sync::Arc::clone(facts);
        return match &exchange.route.protocol {
            Some(protocol) => in_protocol(protocol, response, &facts.problem, exchange),
            None => with_request_id(response, &exchange.info.request_id),
        };
    }
    if response.extensions().get::<AsIs>().is_some()
        || response.headers().get(header::CONTENT_TYPE) == Some(&PROBLEM)
    {
        return response;
    }
    let problem = Problem {
        status: status.as_u16(),
        request_id: Some(exchange.info.request_id.clone()),
        ..Problem::new(code_for(status))
    };
    log(exchange, status, &problem.code, None);
    if let Some(protocol) = &exchange.route.protocol {
        return in_protocol(protocol, response, &problem, exchange);
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, PROBLEM);
    Response::from_parts(
        parts,
        Body::from(serde_json::to_vec(&problem).unwrap_or_default()),
    )
}

/// The refusal as the protocol of the route says it, with the headers that it came with.
fn in_protocol(
    protocol: &Protocol,
    response: Response,
    problem: &Problem,
    exchange: &Exchange<'_>,
) -> Response {
    let mut said = (protocol.refuse)(&RefusedRequest {
        method: &exchange.method,
        uri: &exchange.uri,
        request_id: &exchange.info.request_id,
        problem,
    });
    let (parts, _) = response.into_parts();
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_LENGTH {
            said.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
    }
    said
}

/// The first code with this status.
fn code_for(status: StatusCode) -> Code {
    let mut known = codes::CODES.iter().chain(CODES);
    let found = known.find(|code| code.status == status.as_u16() && code.code != REFUSED.code);
    found.copied().unwrap_or(if status.is_server_error() {
        codes::INTERNAL
    } else {
        REFUSED
    })
}

fn log(exchange: &Exchange<'_>, status: StatusCode, code: &str, internal: Option<&str>) {
    let (request_id, route) = (exchange.info.request_id.as_str(), exchange.route.name());
    let status = status.as_u16();
    match (status, internal) {
        (500.., cause) => {
            tracing::error!(
                request_id,
                route,
                status,
                code,
                cause = cause.unwrap_or("not told"),
                "a request failed"
            );
        }
        (_, Some(cause)) => tracing::info!(request_id, route, status, code, cause, "a request was refused"),
        _ => {}
    }
}

/// Sets the headers that every answer has. What a handler has set itself stays.
pub(super) fn headers(headers: &mut HeaderMap, exchange: &Exchange<'_>) {
    headers.reserve(12);
    if let Ok(id) = HeaderValue::from_str(&exchange.info.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.entry(header::X_FRAME_OPTIONS).or_insert(DENY);
    headers.entry(header::REFERRER_POLICY).or_insert(NO_REFERRER);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if exchange.info.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, ONE_YEAR);
    }
    exchange.tightest.tell(headers);
}
