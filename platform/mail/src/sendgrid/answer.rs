//! What SendGrid answers.

use serde::Deserialize;
use stoa_outbound::{Response, StatusCode};
use stoa_providers::{Cause, SendError, api};

#[derive(Deserialize)]
struct Problem {
    errors: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrong {
    message: String,
    field: Option<String>,
}

/// What SendGrid calls the mail it took.
pub(super) fn read(answer: &Response) -> Result<String, SendError> {
    if answer.status.is_success() {
        let id = answer.headers.get("x-message-id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        return Ok(id.chars().take(200).collect());
    }
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let wrong = problem.map(|problem| problem.errors).unwrap_or_default();
    let said: Vec<_> = wrong.iter().map(|wrong| wrong.message.as_str()).collect();
    let why = api::words(answer.status, &said.join("; "));
    let is_recipient = |wrong: &Wrong| {
        let field = wrong.field.as_deref().unwrap_or_default();
        field.starts_with("personalizations.") && field.contains(".to")
    };
    Err(match answer.status {
        // The key is wrong, or may not send for this sender: a mistake in the settings, not in the mail.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            SendError::transient(Cause::Provider, why)
        }
        StatusCode::BAD_REQUEST if wrong.iter().any(is_recipient) => SendError::Refused(why),
        _ => SendError::Permanent(why),
    })
}
