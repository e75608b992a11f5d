//! E-mail addresses that mail can be sent to: the one parser of them.

use std::fmt;

use idna::AsciiDenyList;
use stoa_kernel::text;

/// Longest address that can be delivered to (RFC 5321), in bytes, as it is sent.
const LONGEST: usize = 254;

/// An address that mail can be sent to, as it is sent: with its domain in ASCII (IDNA), and what is before the `@` in normal form C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads one address, and nothing around it; none if no mail can be sent to it. Quoted local parts, addresses of machines in place
    /// of domains, and what cannot be seen are refused.
    #[must_use]
    pub fn parse(address: &str) -> Option<Self> {
        let (local, domain) = address.rsplit_once('@')?;
        let local = text::nfc(local);
        let odd = |c: char| c == '"' || text::is_invisible(c) || text::is_forbidden(c);
        if local.contains(odd) {
            return None;
        }
        let domain = idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::STD3).ok()?;
        let top = domain.rsplit('.').next()?;
        if top.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let domain = domain.into_owned();
        // What sends the mail has the last word.
        lettre::Address::new(&local, &domain).ok()?;
        (local.len() + 1 + domain.len() <= LONGEST).then_some(Self { local, domain })
    }

    /// What makes two addresses one: the address as it is sent, in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}@{}", text::lowercase(&self.local), self.domain)
    }

    /// Whether only mail servers with SMTPUTF8 (RFC 6531) take it: what is before the `@` is not ASCII.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    pub(crate) fn to_lettre(&self) -> Option<lettre::Address> {
        lettre::Address::new(&self.local, &self.domain).ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> Option<String> {
        Address::parse(text).map(|address| address.to_string())
    }

    #[test]
    fn domains_are_sent_in_ascii_and_one_address_has_one_key() {
        assert_eq!(sent("Ada@Example.ORG").as_deref(), Some("Ada@example.org"));
        assert_eq!(
            sent("a@Bücher.example").as_deref(),
            Some("a@xn--bcher-kva.example")
        );
        assert_eq!(sent("a@xn--bcher-kva.example"), sent("a@bu\u{308}cher.example"));
        let key = |text: &str| Address::parse(text).unwrap().key();
        assert_eq!(key("JOSE\u{301}@EXAMPLE.org"), key("josé@example.org"));
        assert!(Address::parse("josé@example.org").unwrap().needs_smtputf8());
        assert!(!Address::parse("a@bücher.example").unwrap().needs_smtputf8());
    }

    #[test]
    fn what_no_mail_can_be_sent_to_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long_label = format!("a@{}.org", "b".repeat(64));
        let long = format!("a@{}.org", ["b".repeat(60).as_str(); 5].join("."));
        for text in [
            "",
            "a",
            "a@",
            "@b",
            "a b@c.org",
            "a@b c.org",
            "a@@b.org",
            "a@b@c.org",
            "a..b@example.com",
            ".a@x.com",
            "a.@x.com",
            "a@.x.com",
            "a@x..com",
            "a@x.com.",
            "a@-x.com",
            "a@x-.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@[IPv6:::1]",
            "\"a b\"@x.com",
            "\"a\"@x.com",
            "a@x_y.com",
            "<a@b.org>",
            "a@b.org,c@d.org",
            "a@b.org\r\nBcc: x@y.org",
            "a\u{200b}@b.org",
            "a\u{202e}@b.org",
            "a@b\u{200d}.org",
            "a@xn--.org",
            "a(c)@b.org",
            " a@b.org",
            "a@b.org ",
            &long_local,
            &long_label,
            &long,
        ] {
            assert_eq!(sent(text), None, "{text:?}");
        }
        for text in [
            "a@localhost",
            "a+b=c!#$%&'*/?^_`{|}~-@x.com",
            "a@a--b.com",
            "1@2.example",
        ] {
            assert!(sent(text).is_some(), "{text}");
        }
    }
}
