//! FCM's HTTP v1 API.

mod account;
mod answer;
mod token;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use stoa_kernel::Clock;
use stoa_outbound::{HeaderMap, HeaderValue, Method, Outbound, Request, StatusCode, header};
use stoa_providers::{SendError, api};

use crate::{Push, Urgency};
pub(crate) use account::ServiceAccount;
use token::Tokens;

/// Most that is read of an answer.
const ANSWER: usize = 64 * 1024;
/// Bytes of a message that FCM takes.
const MOST: usize = 4096;

/// FCM, for one project.
pub(crate) struct Fcm {
    url: String,
    tokens: Tokens,
    timeout: Duration,
    clock: Clock,
}

#[derive(Serialize)]
struct Body<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    notification: Notification<'a>,
    data: BTreeMap<&'a str, &'a str>,
    android: Android<'a>,
    apns: Apns<'a>,
}

#[derive(Serialize)]
struct Notification<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Android<'a> {
    ttl: String,
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<&'a str>,
}

/// Apple's phones, which FCM passes messages on to.
#[derive(Serialize)]
struct Apns<'a> {
    headers: BTreeMap<&'static str, ApnsValue<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ApnsValue<'a> {
    Text(&'a str),
    Made(String),
}

impl Fcm {
    pub(crate) fn new(account: ServiceAccount, base: &str, timeout: Duration, clock: Clock) -> Self {
        Self {
            url: format!(
                "{}/v1/projects/{}/messages:send",
                base.trim_end_matches('/'),
                account.project
            ),
            tokens: Tokens::new(account, timeout, clock.clone()),
            timeout,
            clock,
        }
    }

    /// Sends a message to a phone, and returns the name that FCM gives it.
    pub(crate) async fn send(
        &self,
        outbound: &Outbound,
        token: &str,
        push: &Push,
    ) -> Result<String, SendError> {
        let body = self.body(token, push)?;
        let mut fresh = false;
        loop {
            let access = self.tokens.get(outbound, fresh).await?;
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, access);
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let request = Request {
                method: Method::POST,
                url: &self.url,
                headers,
                body: body.clone(),
                timeout: self.timeout,
                max_body: ANSWER,
            };
            let answer = api::call(outbound, request).await?;
            // The access token may have been withdrawn before its time: once, another one is asked for.
            if answer.status == StatusCode::UNAUTHORIZED && !fresh {
                fresh = true;
                continue;
            }
            return answer::read(&answer, &self.clock);
        }
    }

    fn body(&self, token: &str, push: &Push) -> Result<Bytes, SendError> {
        let refuse = |why: String| SendError::Permanent(why);
        let mut data: BTreeMap<&str, &str> = push
            .data
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        data.insert("id", &push.id);
        if !push.kind.is_empty() {
            data.insert("type", &push.kind);
        }
        if let Some(link) = &push.link {
            data.insert("url", link);
        }
        let urgent = matches!(push.urgency, Urgency::High);
        let expires = self
            .clock
            .after(Duration::from_secs(push.ttl_seconds()))
            .as_second();
        let mut headers = BTreeMap::from([
            ("apns-priority", ApnsValue::Text(if urgent { "10" } else { "5" })),
            ("apns-expiration", ApnsValue::Made(expires.to_string())),
        ]);
        if let Some(topic) = &push.topic {
            headers.insert("apns-collapse-id", ApnsValue::Text(topic));
        }
        let message = Message {
            token,
            notification: Notification {
                title: &push.title,
                body: &push.text,
            },
            data,
            android: Android {
                ttl: format!("{}s", push.ttl_seconds()),
                priority: if urgent { "high" } else { "normal" },
                collapse_key: push.topic.as_deref(),
            },
            apns: Apns { headers },
        };
        let content = push.title.len() + push.text.len();
        let data: usize = message
            .data
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if content + data > MOST {
            return Err(refuse(format!(
                "the message has {} bytes, and {MOST} are allowed",
                content + data
            )));
        }
        serde_json::to_vec(&Body { message })
            .map(Bytes::from)
            .map_err(|e| refuse(e.to_string()))
    }
}
