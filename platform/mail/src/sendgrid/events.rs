//! What SendGrid tells later of mails that it took: its signed event webhook.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;
use stoa_kernel::Timestamp;

/// The argument that brings the mail's id back.
pub(super) const MAIL_ID: &str = "mail_id";
/// What stands before the point of a P-256 key in its usual form (SubjectPublicKeyInfo, DER).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Characters that are kept of a reason.
const REASON: usize = 500;

/// The key that SendGrid shows beside "Signed Event Webhook".
#[derive(Clone, Debug)]
pub struct EventKey(Vec<u8>);

impl EventKey {
    /// The header that has the signature.
    pub const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
    /// The header that has the time of the signature.
    pub const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

    /// Reads the key as it is shown: base64 on one line. None if it is no P-256 key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = STANDARD.decode(text.trim()).ok()?;
        let point = key.strip_prefix(&P256)?;
        (point.len() == 65 && point[0] == 4).then(|| Self(point.to_vec()))
    }

    /// Whether SendGrid has signed `body`, as it came, at the time that the header says. The same events may come again: each has an
    /// id to be known again by.
    #[must_use]
    pub fn verifies(&self, signature: &str, timestamp: &str, body: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else {
            return false;
        };
        let signed = [timestamp.as_bytes(), body].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0)
            .verify(&signed, &signature)
            .is_ok()
    }
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailEvent {
    /// SendGrid's id of the event.
    pub id: String,
    /// What became of it.
    pub kind: EventKind,
    /// The id of the mail, if it was sent from here.
    pub mail_id: Option<String>,
    /// The recipient's address.
    pub address: String,
    /// Why, in the words of the recipient's server or of SendGrid. At most 500 characters.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What can become of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The recipient's server has taken it.
    Delivered,
    /// There is no such mailbox, for good.
    Bounced,
    /// The recipient's server has refused it for now, such as by its filter.
    Blocked,
    /// SendGrid has not sent it: it knows from before that the address bounces, complains or has unsubscribed.
    Dropped,
    /// The recipient has marked it as spam.
    Complained,
    /// The recipient has unsubscribed by SendGrid's own means.
    Unsubscribed,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    email: String,
    event: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    sg_event_id: String,
    mail_id: Option<String>,
    timestamp: i64,
}

/// The events in a body that [was signed](EventKey::verifies), without those that tell nothing of a mail's fate. None if it is no list
/// of events.
#[must_use]
pub fn parse_events(body: &[u8]) -> Option<Vec<MailEvent>> {
    let told: Vec<serde_json::Value> = serde_json::from_slice(body).ok()?;
    // One that is not as it should be takes no others with it.
    let told = told
        .into_iter()
        .filter_map(|one| serde_json::from_value(one).ok());
    Some(told.filter_map(event).collect())
}

fn event(told: Told) -> Option<MailEvent> {
    let kind = match (told.event.as_str(), told.r#type.as_str()) {
        ("delivered", _) => EventKind::Delivered,
        ("bounce", "blocked") => EventKind::Blocked,
        ("bounce", _) => EventKind::Bounced,
        ("blocked", _) => EventKind::Blocked,
        ("dropped", _) => EventKind::Dropped,
        ("spamreport", _) => EventKind::Complained,
        ("unsubscribe" | "group_unsubscribe", _) => EventKind::Unsubscribed,
        _ => return None,
    };
    Some(MailEvent {
        id: told.sg_event_id,
        kind,
        mail_id: told.mail_id,
        address: told.email,
        reason: told.reason.chars().take(REASON).collect(),
        at: Timestamp::from_second(told.timestamp).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Key, signature and body of the tests of SendGrid's own client for Python.
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    const OTHER_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==";
    const SIGNATURE: &str =
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    const OTHER_SIGNATURE: &str =
        "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0=";
    const TIMESTAMP: &str = "1600112502";
    const BODY: &str = concat!(
        r#"[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","#,
        r#""sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","#,
        r#""sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","#,
        r#""smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]"#,
        "\r\n"
    );

    #[test]
    fn what_sendgrid_signed_is_known_and_nothing_else() {
        let key = EventKey::parse(KEY).unwrap();
        let body = BODY.as_bytes();
        assert!(key.verifies(SIGNATURE, TIMESTAMP, body));
        assert!(
            !EventKey::parse(OTHER_KEY)
                .unwrap()
                .verifies(SIGNATURE, TIMESTAMP, body)
        );
        assert!(!key.verifies(OTHER_SIGNATURE, TIMESTAMP, body));
        assert!(!key.verifies(SIGNATURE, "1600112503", body));
        assert!(!key.verifies(SIGNATURE, TIMESTAMP, BODY.trim_end().as_bytes()));
        assert!(!key.verifies("", TIMESTAMP, body) && !key.verifies("?", TIMESTAMP, body));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "?", "AAAA", &KEY[4..], &KEY[..KEY.len() - 8]] {
            assert!(EventKey::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn events_are_read_and_those_of_no_interest_left_out() {
        let events = parse_events(BODY.as_bytes()).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].kind, events[0].address.as_str()),
            (EventKind::Dropped, "hello@world.com")
        );
        assert_eq!(
            (events[0].reason.as_str(), events[0].at.as_second()),
            ("Bounced Address", 1_600_112_492)
        );
        assert_eq!(events[0].mail_id, None);

        let body = serde_json::json!([
            {"event": "processed", "timestamp": 1},
            {"event": "open", "timestamp": 1, "email": "a@b.example"},
            {"event": "bounce", "type": "bounce", "timestamp": 1, "email": "a@b.example", "sg_event_id": "e1", "mail_id": "m1", "reason": "550 5.1.1 unknown"},
            {"event": "bounce", "type": "blocked", "timestamp": 1},
            {"event": "spamreport", "timestamp": 1},
            {"event": "unsubscribe", "timestamp": 1},
            {"event": "group_unsubscribe", "timestamp": 1, "asm_group_id": 5},
            {"event": "delivered", "timestamp": 1, "response": "250 OK"},
            {"event": "bounce", "timestamp": "yesterday"},
            7,
        ]);
        let events = parse_events(body.to_string().as_bytes()).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        let expected = [
            EventKind::Bounced,
            EventKind::Blocked,
            EventKind::Complained,
            EventKind::Unsubscribed,
            EventKind::Unsubscribed,
            EventKind::Delivered,
        ];
        assert_eq!(kinds, expected);
        assert_eq!(
            (events[0].id.as_str(), events[0].mail_id.as_deref()),
            ("e1", Some("m1"))
        );
        assert!(parse_events(b"{}").is_none() && parse_events(b"").is_none());
    }
}
