//! Refusals in the form that gRPC clients know: a status of their own within an answer of 200.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, Version, header, request::Parts};

const GRPC: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether the caller speaks gRPC.
pub(super) fn is_call(parts: &Parts) -> bool {
    parts.version == Version::HTTP_2
        && parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(GRPC.as_bytes()))
}

/// What the edge refused becomes an answer without messages; answers of services pass.
pub(super) fn translate(mut response: Response) -> Response {
    let status = response.status();
    let own = response.headers().get(header::CONTENT_TYPE);
    if own.is_some_and(|value| value.as_bytes().starts_with(GRPC.as_bytes())) || status.is_success() {
        return response;
    }
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = Body::empty();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(GRPC));
    headers.insert(STATUS, HeaderValue::from(code(status)));
    headers.insert(
        MESSAGE,
        HeaderValue::from_static(status.canonical_reason().unwrap_or("refused")),
    );
    response
}

/// The code of gRPC that says most nearly the same.
const fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 | 405 => 12,
        413 | 429 => 8,
        502 | 503 => 14,
        504 => 4,
        400 | 500 => 13,
        _ => 2,
    }
}
