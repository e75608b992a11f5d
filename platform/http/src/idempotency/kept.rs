//! What is kept under a key: facts as a line of JSON, and the body of the answer behind it.

use std::time::Duration;

use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::sender::Sender;
use crate::{
    Failure, Result, codes,
    guard::Guard,
    names::{IDEMPOTENCY_REPLAYED, REFRESH_COOKIE},
    session_cookie_name,
};

#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// Of query and body.
    fingerprint: String,
    /// None while the first request runs.
    answer: Option<Answer>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    /// Values in base64, for they need not be text.
    headers: Vec<(String, String)>,
    /// What the route asked of its caller.
    guards: Vec<Guard>,
    /// The refresh token that an answer with session cookies was given for.
    refresh: Option<String>,
}

impl Kept {
    /// What stands for a request that runs.
    pub(super) fn running(fingerprint: String) -> Self {
        Self {
            fingerprint,
            answer: None,
        }
    }

    pub(super) fn answered(
        fingerprint: String,
        (status, headers): (StatusCode, &HeaderMap),
        guards: Vec<Guard>,
        sender: &Sender,
    ) -> Self {
        let refresh = sets_session(headers).then(|| hex::encode(sender.refresh));
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), STANDARD.encode(value.as_bytes())));
        let answer = Answer {
            status: status.as_u16(),
            headers: headers.collect(),
            guards,
            refresh,
        };
        Self {
            fingerprint,
            answer: Some(answer),
        }
    }

    pub(super) fn encode(&self, body: &[u8]) -> Bytes {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        bytes.into()
    }

    /// The answer that was kept, for the sender of a request that looks the same.
    ///
    /// # Errors
    /// 422 for another request, 409 while the first one runs, and what the route refuses such a caller with.
    pub(super) fn replay(bytes: &Bytes, fingerprint: &str, sender: &Sender) -> Result<Response> {
        let unreadable = || Failure::internal("a kept answer cannot be read");
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(unreadable)?;
        let kept: Self = serde_json::from_slice(&bytes[..end]).map_err(|_| unreadable())?;
        if kept.fingerprint != fingerprint {
            return Err(Failure::new(codes::IDEMPOTENCY_KEY_REUSED));
        }
        let answer = kept.answer.ok_or_else(in_progress)?;
        answer.authorise(sender)?;
        answer.replay(bytes.slice(end + 1..))
    }
}

impl Answer {
    /// Permissions may have been taken away since, and a session's access token alone does not get its refresh token.
    fn authorise(&self, sender: &Sender) -> Result<()> {
        if let Some(principal) = &sender.principal {
            self.guards.iter().try_for_each(|guard| guard.check(principal))?;
        }
        match &self.refresh {
            Some(refresh) if *refresh != hex::encode(sender.refresh) => {
                Err(Failure::new(codes::IDEMPOTENCY_KEY_REUSED))
            }
            _ => Ok(()),
        }
    }

    fn replay(self, body: Bytes) -> Result<Response> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).map_err(Failure::internal)?;
        for (name, value) in self.headers {
            let value = STANDARD.decode(value).map_err(Failure::internal)?;
            let name = HeaderName::try_from(name).map_err(Failure::internal)?;
            let value = HeaderValue::try_from(value).map_err(Failure::internal)?;
            response.headers_mut().append(name, value);
        }
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, replayed);
        Ok(response)
    }
}

/// 409: the first request runs, or has just failed. The caller asks again.
pub(super) fn in_progress() -> Failure {
    Failure::new(codes::IDEMPOTENCY_IN_PROGRESS).retry_after(Duration::ZERO)
}

/// Whether an answer gives the cookies of a session, or takes them away.
fn sets_session(headers: &HeaderMap) -> bool {
    let mut cookies = headers.get_all(header::SET_COOKIE).iter();
    let names_refresh = |line: &HeaderValue| {
        let name = line.as_bytes().split(|byte| *byte == b'=').next();
        [false, true]
            .iter()
            .any(|secure| name == Some(session_cookie_name(REFRESH_COOKIE, *secure).as_bytes()))
    };
    cookies.any(names_refresh)
}
