//! Access tokens: asked for once and used for as long as they are good.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use stoa_kernel::{Clock, Timestamp};
use stoa_outbound::{HeaderMap, HeaderValue, Method, Outbound, Request, header};
use stoa_providers::{Cause, SendError, api};
use tokio::sync::Mutex;
use url::form_urlencoded;

use super::ServiceAccount;

/// Most that is read of an answer.
const ANSWER: usize = 64 * 1024;
/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_secs(300);
/// The shortest time between two tokens that are asked for because one was refused.
const PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Tokens {
    account: ServiceAccount,
    timeout: Duration,
    clock: Clock,
    /// One is asked for at a time; others wait for it.
    current: Mutex<Option<Token>>,
}

struct Token {
    authorization: HeaderValue,
    since: Timestamp,
    until: Timestamp,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Problem {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Tokens {
    pub(super) fn new(account: ServiceAccount, timeout: Duration, clock: Clock) -> Self {
        Self {
            account,
            timeout,
            clock,
            current: Mutex::default(),
        }
    }

    /// A token as it stands in `Authorization`; with `fresh`, another one than was refused.
    pub(super) async fn get(&self, outbound: &Outbound, fresh: bool) -> Result<HeaderValue, SendError> {
        let mut current = self.current.lock().await;
        let now = self.clock.now();
        if let Some(token) = &*current {
            // Many who were refused at once ask for one new token together.
            let new = now.duration_since(token.since).unsigned_abs() < PAUSE;
            if now < token.until && (!fresh || new) {
                return Ok(token.authorization.clone());
            }
        }
        let token = self.ask(outbound, now).await?;
        let authorization = token.authorization.clone();
        *current = Some(token);
        Ok(authorization)
    }

    async fn ask(&self, outbound: &Outbound, now: Timestamp) -> Result<Token, SendError> {
        let failed =
            |why: String| SendError::transient(Cause::Provider, format!("no access token for FCM: {why}"));
        let assertion = self
            .account
            .assertion(now)
            .ok_or_else(|| failed("it cannot be signed".to_owned()))?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", &assertion)
            .finish();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = Request {
            method: Method::POST,
            url: &self.account.token_url,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]),
            body: Bytes::from(body),
            timeout: self.timeout,
            max_body: ANSWER,
        };
        // No message was sent yet, so that none can be lost.
        let answer = outbound
            .send(request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if !answer.status.is_success() {
            let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
            let said = problem.map(|said| format!("{} {}", said.error, said.error_description));
            return Err(failed(api::words(answer.status, &said.unwrap_or_default())));
        }
        let taken: Answer =
            serde_json::from_slice(&answer.body).map_err(|_| failed("the answer has none".to_owned()))?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", taken.access_token));
        let mut authorization = bearer.map_err(|_| failed("the answer has none".to_owned()))?;
        authorization.set_sensitive(true);
        let good = Duration::from_secs(taken.expires_in).saturating_sub(EARLY);
        Ok(Token {
            authorization,
            since: now,
            until: self.clock.after(good),
        })
    }
}
