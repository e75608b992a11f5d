//! Twilio's API of messages.

mod answer;
mod callback;
mod reply;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use stoa_outbound::{HeaderMap, HeaderValue, Method, Outbound, Request, header};
use stoa_providers::{SendError, api};
use url::{Url, form_urlencoded};

use crate::{Number, Sms, SmsConfig};
pub use callback::{SmsEvent, SmsStatus, parse_callback, verifies_callback};
pub use reply::{Reply, parse_reply};

/// Most that is read of an answer.
const ANSWER: usize = 64 * 1024;

/// `twilio://SID:TOKEN@api.twilio.com?from=+15005550006`.
pub(crate) struct Twilio {
    url: String,
    authorization: HeaderValue,
    sender: (&'static str, String),
    callback: String,
    /// What the account signs its callbacks with.
    auth_token: String,
    timeout: Duration,
}

impl Twilio {
    /// The API at `url`, which the setting `key` names. With the key of an API in place of the account's own, `account` says whose it
    /// is, and `auth_token` what that signs with. `tls=none` is for a server on the same machine or network. The messages of errors do not repeat the URL.
    pub(crate) fn new(url: &Url, key: &str, config: &SmsConfig) -> Result<Self, SendError> {
        let wrong = |words: &str| SendError::Config(format!("{key} {words}"));
        let base = api::base(url, key)?;
        let user = api::decoded(url.username()).unwrap_or_default();
        let token = api::decoded(url.password().unwrap_or_default()).unwrap_or_default();
        let (mut account, mut auth_token, mut sender) = (user.clone(), token.clone(), None);
        for (name, value) in url.query_pairs() {
            match &*name {
                // A plus in a query is a blank.
                "from" => sender = Some(("From", value.trim_start_matches(['+', ' ']).to_owned())),
                "messaging_service" => sender = Some(("MessagingServiceSid", value.into_owned())),
                "account" => account = value.into_owned(),
                "auth_token" => auth_token = value.into_owned(),
                "tls" if value == "none" => {}
                _ => {
                    return Err(wrong(
                        "may have from, messaging_service, account, auth_token, per_minute, per_day and tls=none in its query and nothing else",
                    ));
                }
            }
        }
        if !is_name(&account) || !is_name(&user) || token.is_empty() {
            return Err(wrong(
                "lacks the account or its token; write twilio://SID:TOKEN@api.twilio.com",
            ));
        }
        let (field, value) = sender.ok_or_else(|| {
            wrong("says not who sends; end it in ?from=+15005550006 or ?messaging_service=MG…")
        })?;
        let digits = format!("+{value}");
        let value = match field {
            "From" if Number::parse(&digits).is_some() => digits,
            "From" if is_sender(&value) => value,
            "MessagingServiceSid" if is_name(&value) => value,
            _ => {
                return Err(wrong(
                    "has a sender that is neither a number, such as +15005550006, nor a name",
                ));
            }
        };
        let basic = STANDARD.encode(format!("{user}:{token}"));
        let mut authorization =
            HeaderValue::try_from(format!("Basic {basic}")).map_err(|_| wrong("cannot be used"))?;
        authorization.set_sensitive(true);
        Ok(Self {
            url: format!("{base}/2010-04-01/Accounts/{account}/Messages.json"),
            authorization,
            sender: (field, value),
            callback: config.callback_url.clone(),
            auth_token,
            timeout: config.timeout.0,
        })
    }

    /// Whether this account has signed the form, which came to `url`.
    pub(crate) fn verifies(&self, url: &str, body: &[u8], signature: &str) -> bool {
        verifies_callback(&self.auth_token, url, body, signature)
    }

    fn form(&self, sms: &Sms) -> Bytes {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", &sms.to)
            .append_pair(self.sender.0, &self.sender.1)
            .append_pair("Body", &sms.text);
        if !self.callback.is_empty() {
            form.append_pair("StatusCallback", &self.callback);
        }
        Bytes::from(form.finish())
    }

    /// Sends a message, and returns its SID.
    pub(crate) async fn send(&self, outbound: &Outbound, sms: &Sms) -> Result<String, SendError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        let request = Request {
            method: Method::POST,
            url: &self.url,
            headers,
            body: self.form(sms),
            timeout: self.timeout,
            max_body: ANSWER,
        };
        answer::read(&api::ask(outbound, request).await?)
    }
}

/// What can stand in a path as it is.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A name in place of a number: up to eleven letters, digits and blanks.
fn is_sender(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
    (1..=11).contains(&text.len()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Twilio, SendError> {
        Twilio::new(&Url::parse(url).unwrap(), "sms.url", &SmsConfig::default())
    }

    #[test]
    fn the_address_says_who_sends() {
        let base = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json";
        for (url, sender) in [
            (
                "twilio://AC1:t@api.twilio.com?from=+15005550006",
                ("From", "+15005550006"),
            ),
            (
                "twilio://AC1:t@api.twilio.com?from=%2B15005550006",
                ("From", "+15005550006"),
            ),
            ("twilio://AC1:t@api.twilio.com?from=Stoa", ("From", "Stoa")),
            (
                "twilio://AC1:t@api.twilio.com?messaging_service=MG1",
                ("MessagingServiceSid", "MG1"),
            ),
            (
                "twilio://SK1:t@api.twilio.com?account=AC1&from=Stoa",
                ("From", "Stoa"),
            ),
        ] {
            let twilio = read(url).unwrap();
            assert_eq!((twilio.sender.0, twilio.sender.1.as_str()), sender, "{url}");
            assert_eq!(twilio.url, base);
        }
        let local = read("twilio://AC1:t@127.0.0.1:8080?from=Stoa&tls=none").unwrap();
        assert!(
            local.url.starts_with("http://127.0.0.1:8080/2010-04-01/"),
            "{}",
            local.url
        );
    }

    #[test]
    fn a_wrong_address_is_refused_without_repeating_its_token() {
        for url in [
            "twilio://AC1@api.twilio.com?from=Stoa",
            "twilio://:s3cret@api.twilio.com?from=Stoa",
            "twilio://AC%2F1:s3cret@api.twilio.com?from=Stoa",
            "twilio://AC1:s3cret@api.twilio.com",
            "twilio://AC1:s3cret@api.twilio.com?from=",
            "twilio://AC1:s3cret@api.twilio.com?from=a.name.that.is.long",
            "twilio://AC1:s3cret@api.twilio.com?from=Stoa&x=s3cret",
            "twilio://AC1:s3cret@api.twilio.com?from=Stoa&tls=off",
            "twilio:?from=Stoa",
        ] {
            let Err(SendError::Config(message)) = read(url).map(|_| ()) else {
                panic!("{url} was accepted")
            };
            assert!(
                message.starts_with("sms.url") && !message.contains("s3cret"),
                "{message}"
            );
        }
    }
}
