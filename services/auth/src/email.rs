//! E-mail addresses as people give them.

use garde::rules::email::parse_email;
use stoa_http::field_error;

/// Longest address that can be delivered to (RFC 5321).
const LONGEST: usize = 254;

/// An address that mail can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email {
    /// As given, without blanks around it.
    pub(crate) display: String,
    /// Lowercased: what makes an address one.
    pub(crate) key: String,
}

impl Email {
    /// Reads an address; none if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let display = text.trim();
        let odd = |c: char| {
            c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '(' | ')' | ',' | ';' | ':')
        };
        if display.len() > LONGEST || display.contains(odd) || parse_email(display).is_err() {
            return None;
        }
        Some(Self {
            display: display.to_owned(),
            key: display.to_lowercase(),
        })
    }

    /// The same lowercased text for whatever was given, so that a look-up for no address takes the way of any other.
    pub(crate) fn key_of(text: &str) -> String {
        text.trim().to_lowercase()
    }
}

/// For `garde`: an address that mail can be sent to.
pub(crate) fn is_email(text: &str, (): &()) -> garde::Result {
    match Email::parse(text) {
        Some(_) => Ok(()),
        None => Err(field_error("format", "Not an e-mail address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_however_it_is_written() {
        let email = Email::parse("  Ada@Example.ORG ").unwrap();
        assert_eq!(email.display, "Ada@Example.ORG");
        assert_eq!(email.key, "ada@example.org");
        assert_eq!(Email::key_of(" ADA@example.org"), email.key);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(250));
        for text in [
            "",
            " ",
            "a",
            "a@",
            "@b",
            "a b@c.org",
            "a@b.org,c@d.org",
            "a@b.org\r\nBcc: x@y.org",
            "<a@b.org>",
            "a@@b.org",
            &long,
        ] {
            assert_eq!(Email::parse(text), None, "{text}");
        }
    }
}
