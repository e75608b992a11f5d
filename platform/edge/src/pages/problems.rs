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
use crate::codes::{BODY_TOO_SLOW, ORIGIN_NOT_ALLOWED, REFUSED, URI_TOO_LONG};

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
    /// What the caller can do about it. Absent for the codes of services: their titles say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

/// What an error code means.
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
    let lead = kind
        .advice
        .map(|text| format!("<p class=\"lead\">{text}</p>\n"))
        .unwrap_or_default();
    let html = fill(PAGE, shared.version)
        .replace("{{code}}", kind.code)
        .replace("{{status}}", &kind.status.to_string())
        .replace("{{title}}", kind.title)
        .replace("{{advice}}", &lead);
    Ok(page(html, PAGE_POLICY))
}

/// What helps with a problem that any service may answer with, or the edge.
fn advice(code: &Code) -> Option<&'static str> {
    Some(match *code {
        codes::UNAUTHENTICATED => "Sign in, and send the access token as Authorization: Bearer.",
        codes::TOKEN_EXPIRED | codes::TOKEN_STALE => "Refresh your access token, then repeat the request.",
        codes::TOKEN_REVOKED => "Sign in again.",
        codes::FORBIDDEN => "Ask an administrator for the permission. An API key needs it among its scopes.",
        codes::ORGANIZATION_ROLE_REQUIRED => "Ask an owner of the organization for a role that permits it.",
        codes::CSRF => "Send the value of the CSRF cookie in the x-csrf-token header.",
        codes::NOT_FOUND => "Check the address. What you may not see looks as if it did not exist.",
        codes::METHOD_NOT_ALLOWED => "The Allow header of the answer names the methods that are offered.",
        codes::CONFLICT | codes::PRECONDITION_FAILED => {
            "Read it again, then repeat your change if it still applies."
        }
        codes::IDEMPOTENCY_IN_PROGRESS => {
            "Repeat the request with the same Idempotency-Key in a few seconds: it gets the answer of the first."
        }
        codes::IDEMPOTENCY_KEY_REUSED => "Send a new Idempotency-Key with each new request.",
        codes::TOO_LARGE | codes::HEADER_TOO_LARGE | URI_TOO_LONG => {
            "Send less; the detail of the answer names the limit."
        }
        codes::UNSUPPORTED_MEDIA_TYPE => "Set the content type that the API's description names.",
        codes::INVALID_INPUT => {
            "The errors of the answer name each field that is wrong, and what is wrong with it."
        }
        codes::IMAGE_TOO_LARGE => "Send a smaller picture.",
        codes::IMAGE_UNREADABLE => "Send a whole picture of a format that the API's description names.",
        codes::RATE_LIMITED => "Wait for as many seconds as the Retry-After header says.",
        codes::UNAVAILABLE => "Try again in a few seconds, with the same Idempotency-Key if you sent one.",
        codes::INTERNAL | codes::BAD_GATEWAY | codes::TIMEOUT => {
            "It is not your fault. Give the request_id of the answer to those who run this installation."
        }
        codes::MALFORMED | REFUSED => "Compare your request with the API's description.",
        BODY_TOO_SLOW => "Send the body at once and without long pauses.",
        ORIGIN_NOT_ALLOWED => {
            "Ask those who run this installation to add the origin to gateway.cors.origins."
        }
        _ => return None,
    })
}
