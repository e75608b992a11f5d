//! What an error code means: where the `type` of a problem points.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use serde::Serialize;
use stoa_http::{Anyone, Code, Failure, Path, Result, codes};

use super::{PAGE_POLICY, Shared, home::fill, page};

const PAGE: &str = include_str!("assets/problem.html");

/// A kind of problem.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ProblemKind {
    /// Stable: programs decide by it.
    code: &'static str,
    /// The HTTP status it is answered with.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What it means.
    title: &'static str,
    /// What the caller can do about it.
    advice: &'static str,
}

/// What an error code means
///
/// As JSON, or as a page for browsers.
#[utoipa::path(get, path = "/problems/{code}", tag = "health",
    params(("code" = String, Path, description = "The `code` of a problem", example = "rate_limited")),
    responses((status = 200, description = "What it means.", body = ProblemKind)),
)]
pub(super) async fn problem(
    _: Anyone,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let code = shared
        .codes
        .iter()
        .find(|code| code.code == name)
        .ok_or_else(|| Failure::new(codes::NOT_FOUND))?;
    let kind = ProblemKind {
        code: code.code,
        status: code.status,
        title: code.title,
        advice: advice(code),
    };
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !accept.contains("text/html") {
        return Ok(Json(kind).into_response());
    }
    let html = fill(PAGE, shared.version)
        .replace("{{code}}", kind.code)
        .replace("{{status}}", &kind.status.to_string())
        .replace("{{title}}", kind.title)
        .replace("{{advice}}", kind.advice);
    Ok(page(html, PAGE_POLICY))
}

/// What helps with problems of a status.
const fn advice(code: &Code) -> &'static str {
    match code.status {
        401 => "Sign in, or refresh your access token, and send it as Authorization: Bearer.",
        403 => "Ask somebody who may do this, or an administrator for the permission.",
        404 => "Look at the address. What you may not see looks as if it did not exist.",
        405 => "The Allow header of the answer names the methods that are offered.",
        408 => "Send the body at once and without long pauses.",
        409 | 412 => "Read the thing again, and repeat what you meant to do if it still holds.",
        413 | 414 | 431 => "Send less; the detail of the answer names the limit.",
        415 => "Set the content type that the API's description names.",
        422 => "The errors of the answer name each field that is wrong, and what is wrong with it.",
        429 => "Wait for as many seconds as the Retry-After header says.",
        503 => "Try again in a few seconds, with the same Idempotency-Key if you sent one.",
        500..=599 => {
            "It is not your fault. Give the request_id of the answer to those who run this installation."
        }
        _ => "Compare your request with the API's description.",
    }
}
