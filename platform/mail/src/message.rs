//! A mail as the internet's standards write it. Nothing that a caller passes can add a header or a recipient.

use std::time::SystemTime;

use lettre::{
    Message,
    address::Envelope,
    message::{
        Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use stoa_kernel::Timestamp;
use stoa_providers::is_id;

use crate::{Address, Mail, SendError, header};

/// Puts `mail` in the form that is sent and stored.
pub(crate) fn build(mail: &Mail, from: &Mailbox, time: Timestamp) -> Result<Message, SendError> {
    let refuse = |why: &str| SendError::Permanent(why.to_owned());
    if !is_id(&mail.id) {
        return Err(refuse("the id is not made of letters, digits, '.', '_' and '-'"));
    }
    if mail.subject.contains(char::is_control) {
        return Err(refuse("the subject contains control characters"));
    }
    header::check(&mail.headers)?;
    let to = mailbox(&mail.to).ok_or_else(|| SendError::Refused("it is not an e-mail address".to_owned()))?;
    // Given, for not every address that can be sent to is read again from a header.
    let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])
        .map_err(|e| refuse(&e.to_string()))?;
    let mut builder = Message::builder()
        .envelope(envelope)
        .from(from.clone())
        .to(to)
        // An encoded word (RFC 2047) in what somebody has written would be decoded by the reader's program, to any character.
        .subject(mail.subject.replace("=?", "= ?"))
        .date(SystemTime::from(time))
        .message_id(Some(format!("<{}@{}>", mail.id, from.email.domain())))
        // So that no out-of-office note comes back.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    for (name, value) in &mail.headers {
        builder = builder.raw_header(header::to_lettre(*name, value));
    }
    let built = match &mail.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(mail.text.clone(), html.clone())),
        None => builder.singlepart(SinglePart::plain(mail.text.clone())),
    };
    built.map_err(|e| refuse(&e.to_string()))
}

/// The sender that the settings name.
pub(crate) fn sender(text: &str) -> Result<Mailbox, SendError> {
    mailbox(text).ok_or_else(|| {
        SendError::Config("mail.from is not an address; write Name <name@example.com>".to_owned())
    })
}

/// One address, with or without a name before it; none if `text` is anything else.
pub(crate) fn mailbox(text: &str) -> Option<Mailbox> {
    if text.contains(char::is_control) {
        return None;
    }
    if let Some(bare) = Address::parse(text.trim()) {
        return Some(Mailbox::new(None, bare.to_lettre()?));
    }
    // The parser stops at what it cannot read; nothing may be left over.
    let one = text.parse::<Mailboxes>().ok()?.into_single()?;
    let bare = text.trim_end();
    let whole = bare
        .strip_suffix('>')
        .unwrap_or(bare)
        .ends_with(one.email.as_ref() as &str);
    let address = Address::parse(one.email.as_ref()).filter(|_| whole)?;
    Some(Mailbox::new(one.name, address.to_lettre()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Header, Headers};

    fn mail(to: &str, subject: &str) -> Mail {
        Mail {
            id: "1".into(),
            to: to.into(),
            subject: subject.into(),
            text: "Hello\n.\nthere".into(),
            html: None,
            headers: Headers::new(),
        }
    }

    fn built(mail: &Mail) -> Result<String, SendError> {
        let from = mailbox("Stoa <stoa@localhost>").unwrap();
        build(mail, &from, Timestamp::UNIX_EPOCH).map(|m| String::from_utf8(m.formatted()).unwrap())
    }

    #[test]
    fn a_subject_holds_no_encoded_words_that_somebody_wrote() {
        for word in ["=?utf-8?q?=0D=0ABcc=3A_x?=", "=?utf-8?b?4oCuZ3BqLmV4ZQ==?="] {
            let text = built(&mail("a@b.example", &format!("Welcome to {word}"))).unwrap();
            assert!(!text.contains(word), "{text}");
        }
    }

    #[test]
    fn addresses_are_one_and_whole() {
        for text in [
            "a@b.example",
            "Some Body <a@b.example>",
            "\"Body, Some\" <a@b.example>",
            "a+b@b.example",
        ] {
            assert!(mailbox(text).is_some(), "{text}");
        }
        for text in [
            "",
            "a",
            "a@",
            "@b",
            "a@b.example, c@d.example",
            "a@b.example c@d.example",
            "a@b.example\r\nBcc: c@d.example",
            "a@b.example\nBcc: c@d.example",
            "<a@b.example",
            "A\r\nBcc: c@d.example <a@b.example>",
            "a@b.example>",
            "a b@c.example",
        ] {
            assert!(
                mailbox(text).is_none_or(|m| text.contains("> ") && m.email.to_string().is_empty()),
                "{text}"
            );
        }
    }

    #[test]
    fn the_headers_are_those_of_the_mail() {
        let text = built(&mail("Jörg <a@b.example>", "Grüße")).unwrap();
        for line in [
            "Message-ID: <1@localhost>",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is not in\n{text}");
        }
        assert!(text.is_ascii());
    }

    #[test]
    fn further_headers_stand_on_one_line_as_they_were_given() {
        let mut mail = mail("a@b.example", "News");
        let address = format!("<https://stoa.example/unsubscribe?token={}>", "a".repeat(400));
        mail.headers.insert(Header::ListUnsubscribe, address.clone());
        mail.headers
            .insert(Header::ListUnsubscribePost, "List-Unsubscribe=One-Click".into());
        let text = built(&mail).unwrap();
        for line in [
            format!("List-Unsubscribe: {address}"),
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
        ] {
            assert!(
                text.contains(&format!("\r\n{line}\r\n")),
                "{line} is not in\n{text}"
            );
        }
        mail.headers
            .insert(Header::FeedbackId, "a\r\nBcc: eve@example.com".into());
        assert!(matches!(built(&mail), Err(SendError::Permanent(why)) if why.contains("Feedback-ID")));
    }

    proptest! {
        /// Whatever subject and recipient say, the mail has one recipient and no header of theirs.
        #[test]
        fn no_header_can_be_injected(
            subject in prop::collection::vec(prop::sample::select(vec!["\r", "\n", "\r\n", "Bcc: x@y.example", "a", " ", "ü", "=?utf-8?q?=0AX?=", "\u{2028}"]), 0..12),
            to in prop::collection::vec(prop::sample::select(vec!["a@b.example", "\r\n", "\n", ",", "<", ">", "Bcc: x@y.example", " ", "\"", "ü"]), 0..8),
        ) {
            if let Ok(text) = built(&mail(&to.concat(), &subject.concat())) {
                let (head, _) = text.split_once("\r\n\r\n").unwrap();
                let names: Vec<_> = head
                    .split("\r\n")
                    .filter(|line| !line.starts_with([' ', '\t']))
                    .map(|line| line.split(':').next().unwrap())
                    .collect();
                let known = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"];
                for name in &names {
                    prop_assert!(known.contains(name), "{name} in\n{head}");
                }
                prop_assert_eq!(names.iter().filter(|name| **name == "To").count(), 1);
                prop_assert!(!head.contains('\0') && !head.replace("\r\n", "").contains(['\r', '\n']), "{}", head);
            }
        }
    }
}
