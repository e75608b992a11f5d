//! What Twilio answers.

use serde::Deserialize;
use stoa_outbound::{Response, StatusCode};
use stoa_providers::{Cause, SendError, api};

/// Codes that blame the recipient's number: it is none, cannot be reached or routed to, cannot take messages, has unsubscribed.
const RECIPIENT: [u32; 8] = [21211, 21214, 21217, 21265, 21610, 21612, 21614, 21635];
/// Codes that blame the account or its sender: a mistake in the settings, and another provider may do better.
const SETTINGS: [u32; 9] = [20003, 20404, 21212, 21408, 21603, 21606, 21608, 21659, 21703];

#[derive(Deserialize)]
struct Taken {
    sid: String,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<u32>,
    #[serde(default)]
    message: String,
}

/// The SID of the message that Twilio took.
pub(super) fn read(answer: &Response) -> Result<String, SendError> {
    if answer.status.is_success() {
        // It has the message, whatever it calls it.
        let taken: Option<Taken> = serde_json::from_slice(&answer.body).ok();
        let sid = taken.map(|taken| taken.sid).unwrap_or_default();
        return Ok(sid.chars().take(200).collect());
    }
    let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let (code, said) = problem.map_or((0, String::new()), |problem| {
        (problem.code.unwrap_or(0), problem.message)
    });
    let why = api::words(answer.status, &format!("{code} {said}"));
    Err(match answer.status {
        _ if RECIPIENT.contains(&code) => SendError::Refused(why),
        _ if SETTINGS.contains(&code) => SendError::transient(Cause::Provider, why),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            SendError::transient(Cause::Provider, why)
        }
        _ => SendError::Permanent(why),
    })
}
