//! Headers that a mail may bring: a closed list, and values that can add nothing to them.

use std::collections::BTreeMap;

use lettre::message::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use stoa_providers::SendError;

use crate::{Address, message::mailbox};

/// Longest value, in bytes: with its name it is one line, and a line has 998 at most (RFC 5322).
const LONGEST: usize = 900;

/// The headers of one mail; each at most once.
pub type Headers = BTreeMap<Header, String>;

/// A header that a mail may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Header {
    /// Where the recipient ends what brings such mails (RFC 2369): `<https://…>`, `<mailto:…>`, or both with a comma between.
    #[serde(rename = "List-Unsubscribe")]
    ListUnsubscribe,
    /// That a POST to that address does it without further questions (RFC 8058): `List-Unsubscribe=One-Click`.
    #[serde(rename = "List-Unsubscribe-Post")]
    ListUnsubscribePost,
    /// Which list the mail is of (RFC 2919): `<news.example.com>`.
    #[serde(rename = "List-Id")]
    ListId,
    /// What large mailbox providers count complaints by: `campaign:customer:kind:sender`.
    #[serde(rename = "Feedback-ID")]
    FeedbackId,
    /// `bulk` or `list`.
    #[serde(rename = "Precedence")]
    Precedence,
    /// Where answers go: one address.
    #[serde(rename = "Reply-To")]
    ReplyTo,
    /// The Message-ID of the mail that this one follows: `<id@host>`.
    #[serde(rename = "In-Reply-To")]
    InReplyTo,
    /// The Message-IDs of those before it, oldest first.
    #[serde(rename = "References")]
    References,
}

impl Header {
    /// As it stands in a mail.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ListUnsubscribe => "List-Unsubscribe",
            Self::ListUnsubscribePost => "List-Unsubscribe-Post",
            Self::ListId => "List-Id",
            Self::FeedbackId => "Feedback-ID",
            Self::Precedence => "Precedence",
            Self::ReplyTo => "Reply-To",
            Self::InReplyTo => "In-Reply-To",
            Self::References => "References",
        }
    }

    fn takes(self, value: &str) -> bool {
        match self {
            Self::ListUnsubscribe => value.split(',').all(|one| {
                in_brackets(one.trim()).is_some_and(|one| {
                    one.starts_with("https://") || one.starts_with("http://") || one.starts_with("mailto:")
                })
            }),
            Self::ListUnsubscribePost => value == "List-Unsubscribe=One-Click",
            Self::Precedence => matches!(value, "bulk" | "list"),
            // Not a name before it: what cannot be read again as one address is refused.
            Self::ReplyTo => Address::parse(value).is_some() || mailbox(value).is_some(),
            Self::InReplyTo => is_message_id(value),
            Self::References => value.split(' ').all(is_message_id),
            Self::ListId => value.ends_with('>') && value.contains('<'),
            Self::FeedbackId => true,
        }
    }
}

/// Refuses values that a mail could not carry as they are.
pub(crate) fn check(headers: &Headers) -> Result<(), SendError> {
    for (header, value) in headers {
        // Plain ASCII: no line can end in it, and nothing in it is decoded by the reader's program.
        let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !value.contains("=?");
        let trimmed = value.trim() == value && !value.is_empty();
        if !(plain && trimmed && value.len() <= LONGEST && header.takes(value)) {
            return Err(SendError::Permanent(format!(
                "the header {} has a value that it cannot have",
                header.name()
            )));
        }
    }
    Ok(())
}

/// One that was [checked](check), on one line: an address that was folded would be read wrongly by some.
pub(crate) fn to_lettre(header: Header, value: &str) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(
        HeaderName::new_from_ascii_str(header.name()),
        value.to_owned(),
        value.to_owned(),
    )
}

fn in_brackets(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('<')?.strip_suffix('>')?;
    (!inside.is_empty() && !inside.contains(['<', '>', ' '])).then_some(inside)
}

fn is_message_id(text: &str) -> bool {
    in_brackets(text).is_some_and(|id| id.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(header: Header, value: &str) -> bool {
        check(&Headers::from([(header, value.to_owned())])).is_ok()
    }

    #[test]
    fn values_are_of_their_header() {
        for (header, value) in [
            (Header::ListUnsubscribe, "<https://stoa.example/u?t=a_b-c>"),
            (
                Header::ListUnsubscribe,
                "<https://stoa.example/u>, <mailto:u@stoa.example?subject=x>",
            ),
            (Header::ListUnsubscribePost, "List-Unsubscribe=One-Click"),
            (Header::ListId, "News <news.stoa.example>"),
            (Header::FeedbackId, "digest:stoa:notifications:1"),
            (Header::Precedence, "bulk"),
            (Header::ReplyTo, "ada@example.com"),
            (Header::ReplyTo, "Ada <ada@example.com>"),
            (Header::InReplyTo, "<1@stoa.example>"),
            (Header::References, "<1@stoa.example> <2@stoa.example>"),
        ] {
            assert!(takes(header, value), "{header:?} {value}");
        }
        for (header, value) in [
            (Header::ListUnsubscribe, "https://stoa.example/u"),
            (Header::ListUnsubscribe, "<javascript:alert(1)>"),
            (Header::ListUnsubscribe, "<https://a.example> <https://b.example>"),
            (Header::ListUnsubscribePost, "List-Unsubscribe=One-Click; x=y"),
            (Header::Precedence, "junk"),
            (Header::ReplyTo, "ada@example.com, bob@example.com"),
            (Header::ReplyTo, "nobody"),
            (Header::InReplyTo, "1@stoa.example"),
            (Header::References, "<1@stoa.example>  <2@stoa.example>"),
            (Header::FeedbackId, ""),
            (Header::FeedbackId, " a"),
            (Header::FeedbackId, "a\r\nBcc: eve@example.com"),
            (Header::FeedbackId, "a\nb"),
            (Header::FeedbackId, "a\0"),
            (Header::FeedbackId, "=?utf-8?q?=0D=0ABcc=3A_x?="),
            (Header::FeedbackId, "\u{fc}"),
        ] {
            assert!(!takes(header, value), "{header:?} {value:?}");
        }
        assert!(takes(Header::FeedbackId, &"a".repeat(LONGEST)));
        assert!(!takes(Header::FeedbackId, &"a".repeat(LONGEST + 1)));
    }

    #[test]
    fn a_header_is_stored_by_its_name() {
        for header in [
            Header::ListUnsubscribe,
            Header::ListUnsubscribePost,
            Header::ListId,
            Header::FeedbackId,
            Header::Precedence,
            Header::ReplyTo,
            Header::InReplyTo,
            Header::References,
        ] {
            assert_eq!(serde_json::to_value(header).unwrap(), header.name());
        }
    }
}
