//! What people answer to text messages: the words by which they unsubscribe and come back.

use url::form_urlencoded;

use super::callback::FIELDS;

/// What Twilio takes for it, by itself, where nothing else is set up.
const STOP: [&str; 8] = [
    "STOP",
    "STOPALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "REVOKE",
    "OPTOUT",
];
const START: [&str; 3] = ["START", "YES", "UNSTOP"];

/// That somebody has answered with such a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The SID of the answer.
    pub message_id: String,
    /// The number that it came from.
    pub from: String,
    /// Whether they want messages again, or no more.
    pub wants_messages: bool,
}

/// Reads an incoming message that [was signed](crate::verifies_callback). None if it is none, or says something else.
#[must_use]
pub fn parse_reply(body: &[u8]) -> Option<Reply> {
    let (mut message_id, mut from, mut text, mut opt_out) = Default::default();
    for (name, value) in form_urlencoded::parse(body).take(FIELDS) {
        let field = match &*name {
            "MessageSid" => &mut message_id,
            "From" => &mut from,
            "Body" => &mut text,
            "OptOutType" => &mut opt_out,
            _ => continue,
        };
        *field = value.into_owned();
    }
    // A messaging service may have words of its own, in any language, and says what they are for.
    let word = if opt_out.is_empty() { &text } else { &opt_out };
    let word = word.trim().to_uppercase();
    let wants_messages = match word.as_str() {
        word if STOP.contains(&word) => false,
        word if START.contains(&word) => true,
        _ => return None,
    };
    let is_whole = !String::is_empty(&message_id) && !String::is_empty(&from);
    is_whole.then_some(Reply {
        message_id,
        from,
        wants_messages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_networks_know_are_read_and_no_others() {
        let read = |form: &str| {
            let body = format!("MessageSid=SM9&From=%2B15005550001&SmsStatus=received&{form}");
            parse_reply(body.as_bytes()).map(|reply| reply.wants_messages)
        };
        for form in [
            "Body=STOP",
            "Body=+stop%0A",
            "Body=Unsubscribe",
            "Body=Arr%C3%AAt&OptOutType=STOP",
        ] {
            assert_eq!(read(form), Some(false), "{form}");
        }
        for form in ["Body=start", "Body=oui&OptOutType=START"] {
            assert_eq!(read(form), Some(true), "{form}");
        }
        for form in ["Body=please+stop", "Body=STOP&OptOutType=HELP", "Body="] {
            assert_eq!(read(form), None, "{form}");
        }
        let reply = parse_reply(b"MessageSid=SM9&From=%2B15005550001&Body=STOP").unwrap();
        assert_eq!(
            (reply.message_id.as_str(), reply.from.as_str()),
            ("SM9", "+15005550001")
        );
        for body in [
            &b""[..],
            b"Body=STOP",
            b"From=%2B1&Body=STOP",
            b"MessageSid=SM9&Body=STOP",
        ] {
            assert!(parse_reply(body).is_none());
        }
    }
}
