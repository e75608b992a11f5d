//! SendGrid's v3 API.

mod answer;
mod events;
mod request;

use std::time::Duration;

use lettre::message::Mailbox;
use stoa_outbound::{HeaderMap, HeaderValue, Method, Outbound, Request, header};
use stoa_providers::{SendError, api};
use url::Url;

use crate::Mail;
pub use events::{EventKey, EventKind, MailEvent, parse_events};

/// Most that is read of an answer.
const ANSWER: usize = 64 * 1024;

/// `sendgrid://:KEY@api.sendgrid.com`.
pub(crate) struct SendGrid {
    url: String,
    authorization: HeaderValue,
    timeout: Duration,
}

impl SendGrid {
    /// The API at `url`, which the setting `key` names. `?tls=none` is for a server on the same machine or network. The messages of
    /// errors do not repeat the URL, as it has the API key in it.
    pub(crate) fn new(url: &Url, key: &str, timeout: Duration) -> Result<Self, SendError> {
        if !matches!(url.query(), None | Some("tls=none")) {
            let words = "may have tls=none, per_minute and per_day in its query and nothing else";
            return Err(SendError::Config(format!("{key} {words}")));
        }
        let base = api::base(url, key)?;
        let secret = api::decoded(url.password().unwrap_or_default());
        let wrong = || {
            SendError::Config(format!(
                "{key} has no API key; write sendgrid://:KEY@api.sendgrid.com"
            ))
        };
        let secret = secret.filter(|secret| !secret.is_empty()).ok_or_else(wrong)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {secret}")).map_err(|_| wrong())?;
        authorization.set_sensitive(true);
        Ok(Self {
            url: format!("{base}/v3/mail/send"),
            authorization,
            timeout,
        })
    }

    /// Sends a mail, and returns what SendGrid calls it.
    pub(crate) async fn send(
        &self,
        outbound: &Outbound,
        mail: &Mail,
        from: &Mailbox,
        to: &Mailbox,
    ) -> Result<String, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request {
            method: Method::POST,
            url: &self.url,
            headers,
            body: request::body(mail, from, to)?,
            timeout: self.timeout,
            max_body: ANSWER,
        };
        if !to.email.to_string().is_ascii() {
            let words = "SendGrid does not take addresses that are not ASCII";
            return Err(SendError::Permanent(words.to_owned()));
        }
        answer::read(&api::ask(outbound, request).await?)
    }
}
