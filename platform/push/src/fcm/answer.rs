//! What FCM answers.

use serde::Deserialize;
use stoa_kernel::Clock;
use stoa_outbound::{Response, StatusCode};
use stoa_providers::{Cause, SendError, api};

#[derive(Deserialize)]
struct Taken {
    name: String,
}

#[derive(Deserialize)]
struct Problem {
    error: Wrong,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wrong {
    message: String,
    status: String,
    details: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "errorCode")]
    code: String,
    #[serde(rename = "fieldViolations")]
    fields: Vec<Field>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Field {
    field: String,
}

/// The name that FCM gave the message.
pub(super) fn read(answer: &Response, clock: &Clock) -> Result<String, SendError> {
    if answer.status.is_success() {
        // It has the message, whatever it calls it.
        let taken: Option<Taken> = serde_json::from_slice(&answer.body).ok();
        let name = taken.map(|taken| taken.name).unwrap_or_default();
        return Ok(name.chars().take(200).collect());
    }
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let wrong = problem.map(|problem| problem.error).unwrap_or_default();
    let code = wrong.details.iter().find(|detail| !detail.code.is_empty());
    let code = code.map_or(wrong.status.as_str(), |detail| detail.code.as_str());
    let why = api::words(answer.status, &format!("{code} {}", wrong.message));
    let later = |cause| {
        Err(SendError::Transient {
            why: why.clone(),
            retry_after: api::retry_after(&answer.headers, clock),
            cause,
        })
    };
    let is_token = |field: &Field| field.field == "message.token";
    match (code, answer.status) {
        // The app was removed, or the token is of another project.
        ("UNREGISTERED" | "SENDER_ID_MISMATCH", _) => Err(SendError::Gone(why)),
        ("INVALID_ARGUMENT", _) if wrong.details.iter().any(|one| one.fields.iter().any(is_token)) => {
            Err(SendError::Gone(why))
        }
        // One phone may have had too many; others have not.
        (_, StatusCode::TOO_MANY_REQUESTS) => later(Cause::Recipient),
        (_, status) if status.is_server_error() => later(Cause::Provider),
        // The account may not send, or the project is none: a mistake in the settings, not in the message.
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
            later(Cause::Provider)
        }
        _ => Err(SendError::Permanent(why)),
    }
}
