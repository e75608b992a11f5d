//! A mail as SendGrid wants it.

use std::collections::BTreeMap;

use bytes::Bytes;
use lettre::message::Mailbox;
use serde::Serialize;
use stoa_providers::SendError;

use super::events::MAIL_ID;
use crate::{Header, Mail, message::mailbox};

#[derive(Serialize)]
struct Body<'a> {
    personalizations: [Personalization<'a>; 1],
    from: Person<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Person<'a>>,
    subject: &'a str,
    content: Vec<Content<'a>>,
    headers: BTreeMap<&'static str, &'a str>,
    /// They come back in every event.
    custom_args: BTreeMap<&'static str, &'a str>,
    tracking_settings: Tracking,
}

#[derive(Serialize)]
struct Personalization<'a> {
    to: [Person<'a>; 1],
}

#[derive(Serialize)]
struct Person<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Content<'a> {
    r#type: &'static str,
    value: &'a str,
}

/// Links in mails may hold secrets, and are not to lead by way of anybody else.
#[derive(Serialize)]
struct Tracking {
    click_tracking: Enable,
    open_tracking: Enable,
    subscription_tracking: Enable,
}

#[derive(Serialize)]
struct Enable {
    enable: bool,
}

impl<'a> Person<'a> {
    fn of(mailbox: &'a Mailbox) -> Self {
        Self {
            email: mailbox.email.as_ref(),
            name: mailbox.name.as_deref(),
        }
    }
}

pub(super) fn body(mail: &Mail, from: &Mailbox, to: &Mailbox) -> Result<Bytes, SendError> {
    let refuse = |why: &str| SendError::Permanent(why.to_owned());
    let reply_to = mail.headers.get(&Header::ReplyTo).map(String::as_str);
    let reply_to = match reply_to {
        Some(text) => Some(mailbox(text).ok_or_else(|| refuse("Reply-To is no address"))?),
        None => None,
    };
    // It has a place of its own.
    let others = mail
        .headers
        .iter()
        .filter(|(header, _)| **header != Header::ReplyTo);
    let mut headers: BTreeMap<_, _> = others
        .map(|(header, value)| (header.name(), value.as_str()))
        .collect();
    headers.insert("Auto-Submitted", "auto-generated");
    let parts = [
        ("text/plain", Some(mail.text.as_str())),
        ("text/html", mail.html.as_deref()),
    ];
    let content = parts.into_iter().filter_map(|(r#type, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(Content { r#type, value })
    });
    let content: Vec<_> = content.collect();
    if content.is_empty() {
        return Err(refuse("the mail is empty"));
    }
    let off = || Enable { enable: false };
    let body = Body {
        personalizations: [Personalization { to: [Person::of(to)] }],
        from: Person::of(from),
        reply_to: reply_to.as_ref().map(Person::of),
        subject: &mail.subject,
        content,
        headers,
        custom_args: BTreeMap::from([(MAIL_ID, mail.id.as_str())]),
        tracking_settings: Tracking {
            click_tracking: off(),
            open_tracking: off(),
            subscription_tracking: off(),
        },
    };
    serde_json::to_vec(&body)
        .map(Bytes::from)
        .map_err(|e| refuse(&e.to_string()))
}
