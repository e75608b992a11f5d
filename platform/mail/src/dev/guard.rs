//! Who may see the mailbox. It shows links that reset passwords, so: nobody but callers on this machine.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use stoa_http::is_local;

/// Answers others as if there were nothing here.
pub(super) async fn this_machine_only(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if !is_local(&parts) {
        return not_found();
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn not_found() -> Response {
    let body =
        r#"{"type":"/problems/not_found","title":"There is no such thing","status":404,"code":"not_found"}"#;
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body,
    )
        .into_response()
}
