//! What Twilio tells later of messages that it took: its status callbacks, which are signed.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, verify};
use url::form_urlencoded;

/// Fields beyond which a callback is none.
pub(super) const FIELDS: usize = 200;
/// The code that says that the number's owner has answered STOP.
const UNSUBSCRIBED: u32 = 21610;
/// Codes that say of a number that it takes no messages: unknown, a landline, unsubscribed.
const BAD_NUMBER: [u32; 3] = [UNSUBSCRIBED, 30005, 30006];

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsEvent {
    /// The SID of the message, as the receipt has it.
    pub message_id: String,
    /// What became of it.
    pub status: SmsStatus,
    /// The recipient's number.
    pub to: String,
    /// Twilio's code of what went wrong.
    pub error: Option<u32>,
}

/// What can become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsStatus {
    /// Still on its way.
    OnItsWay,
    /// The network has taken it.
    Sent,
    /// The phone has it.
    Delivered,
    /// It was sent and did not arrive.
    Undelivered,
    /// It could not be sent.
    Failed,
}

impl SmsEvent {
    /// Whether the number's owner has unsubscribed.
    #[must_use]
    pub fn has_unsubscribed(&self) -> bool {
        self.error == Some(UNSUBSCRIBED)
    }

    /// Whether nothing is to be sent to this number any more.
    #[must_use]
    pub fn is_bad_number(&self) -> bool {
        self.error.is_some_and(|code| BAD_NUMBER.contains(&code))
    }
}

/// Whether Twilio, or somebody who has the account's `token`, has sent this form to this URL. `url` is the address as Twilio was given it, with
/// its query; `body` the form as it came; `signature` the header `X-Twilio-Signature`.
#[must_use]
pub fn verifies_callback(token: &str, url: &str, body: &[u8], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else {
        return false;
    };
    let mut fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    if fields.len() > FIELDS {
        return false;
    }
    fields.sort();
    fields.dedup();
    let fields: String = fields.into_iter().map(|(name, value)| name + &value).collect();
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    // Twilio signs some addresses with the port and some without.
    let signed = |url: String| verify(&key, (url + &fields).as_bytes(), &signature).is_ok();
    with_port(url).is_some_and(signed) | without_port(url).is_some_and(signed)
}

/// What a callback that [was signed](verifies_callback) tells. None if it is not about a message.
#[must_use]
pub fn parse_callback(body: &[u8]) -> Option<SmsEvent> {
    let mut event = SmsEvent {
        message_id: String::new(),
        status: SmsStatus::OnItsWay,
        to: String::new(),
        error: None,
    };
    let mut status = None;
    for (name, value) in form_urlencoded::parse(body).take(FIELDS) {
        match &*name {
            "MessageSid" => event.message_id = value.into_owned(),
            "MessageStatus" => status = status_of(&value),
            "To" => event.to = value.into_owned(),
            "ErrorCode" => event.error = value.parse().ok(),
            _ => {}
        }
    }
    event.status = status?;
    (!event.message_id.is_empty()).then_some(event)
}

fn status_of(text: &str) -> Option<SmsStatus> {
    Some(match text {
        "accepted" | "scheduled" | "queued" | "sending" => SmsStatus::OnItsWay,
        "sent" => SmsStatus::Sent,
        "delivered" | "read" => SmsStatus::Delivered,
        "undelivered" => SmsStatus::Undelivered,
        "failed" | "canceled" => SmsStatus::Failed,
        _ => return None,
    })
}

/// Scheme, host with port, and the rest: cut, never written anew, as a signature is over the very text.
fn cut(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some((scheme, &rest[..end], &rest[end..]))
}

fn port(host: &str) -> Option<(&str, &str)> {
    let (name, port) = host.rsplit_once(':')?;
    port.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some((name, port))
}

fn without_port(url: &str) -> Option<String> {
    let (scheme, host, rest) = cut(url)?;
    let host = port(host).map_or(host, |(name, _)| name);
    Some(format!("{scheme}://{host}{rest}"))
}

fn with_port(url: &str) -> Option<String> {
    let (scheme, host, rest) = cut(url)?;
    if port(host).is_some() {
        return Some(url.to_owned());
    }
    let port = if scheme == "https" { 443 } else { 80 };
    Some(format!("{scheme}://{host}:{port}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Token, address, form and signatures of the tests of Twilio's own client for Python.
    const TOKEN: &str = "12345";
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const BODY: &[u8] =
        b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";

    #[test]
    fn what_twilio_signed_is_known_and_nothing_else() {
        assert!(verifies_callback(TOKEN, URL, BODY, SIGNATURE));
        assert!(!verifies_callback("12346", URL, BODY, SIGNATURE));
        assert!(!verifies_callback(
            TOKEN,
            "https://mycompany.com/myapp.php?foo=1&bar=3",
            BODY,
            SIGNATURE
        ));
        assert!(!verifies_callback(
            TOKEN,
            URL,
            b"CallSid=CA1234567890ABCDE",
            SIGNATURE
        ));
        for signature in ["", "?", "AAAA", "RSOYDt4T1cUTdK1PDd93/VVr8B9="] {
            assert!(!verifies_callback(TOKEN, URL, BODY, signature), "{signature}");
        }
    }

    #[test]
    fn a_port_may_be_signed_or_not() {
        let (https, http) = (URL.replace(".com", ".com:1234"), URL.replace("https", "http"));
        for (url, signature) in [
            (https.as_str(), SIGNATURE),
            (&http.replace(".com", ".com:1234"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
            (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
            (&http, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ] {
            assert!(verifies_callback(TOKEN, url, BODY, signature), "{url}");
        }
    }

    #[test]
    fn a_field_that_comes_twice_counts_by_its_values() {
        let body = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
        assert!(verifies_callback(
            TOKEN,
            URL,
            body,
            "IK+Dwps556ElfBT0I3Rgjkr1wJU="
        ));
    }

    #[test]
    fn callbacks_say_what_became_of_a_message() {
        let body = b"SmsSid=SM1&SmsStatus=delivered&MessageStatus=delivered&To=%2B15005550001&MessageSid=SM1&AccountSid=AC1&From=%2B15005550006&ApiVersion=2010-04-01";
        let event = parse_callback(body).unwrap();
        assert_eq!(
            (event.message_id.as_str(), event.status),
            ("SM1", SmsStatus::Delivered)
        );
        assert_eq!((event.to.as_str(), event.error), ("+15005550001", None));
        let event = parse_callback(b"MessageStatus=undelivered&MessageSid=SM2&ErrorCode=30005").unwrap();
        assert!(event.status == SmsStatus::Undelivered && event.is_bad_number());
        let event = parse_callback(b"MessageStatus=failed&MessageSid=SM2&ErrorCode=30007").unwrap();
        assert!(event.status == SmsStatus::Failed && !event.is_bad_number());
        for body in [
            &b""[..],
            b"MessageSid=SM1",
            b"MessageStatus=sent",
            b"MessageStatus=dancing&MessageSid=SM1",
            b"\xff\xfe=1",
        ] {
            assert!(parse_callback(body).is_none());
        }
    }
}
