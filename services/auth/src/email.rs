//! E-mail addresses as people give them.

use stoa_http::field_error;
use stoa_kernel::text;
use stoa_mail::Address;

use crate::{
    config::AuthConfig,
    error::{Error, Result},
};

/// An address that mail can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email {
    /// As given, without blanks around it.
    pub(crate) display: String,
    /// What makes an address one: in lower case, its domain in ASCII.
    pub(crate) key: String,
    /// As mail is sent to it.
    pub(crate) address: Address,
}

impl Email {
    /// Reads an address; none if it is not one.
    pub(crate) fn parse(given: &str) -> Option<Self> {
        let display = text::line(given)?;
        let address = Address::parse(&display)?;
        Some(Self {
            key: address.key(),
            display,
            address,
        })
    }

    /// Whether mail to it can be sent from here.
    ///
    /// # Errors
    /// For an address that only some mail servers take, where settings do not say that those of this installation do.
    pub(crate) fn check(&self, config: &AuthConfig) -> Result<()> {
        if config.international_addresses || !self.address.needs_smtputf8() {
            return Ok(());
        }
        let message =
            "Mail to addresses with other letters than a to z before the @ cannot be sent from here";
        Err(Error::Field("email", "format", message.to_owned()))
    }

    /// The key of whatever was given, so that a look-up for no address takes the way of any other. What is no address now may have
    /// been one when its account was made.
    pub(crate) fn key_of(given: &str) -> String {
        Self::parse(given).map_or_else(|| given.trim().to_lowercase(), |email| email.key)
    }
}

/// For `garde`: an address that mail can be sent to.
pub(crate) fn is_email(text: &str, (): &()) -> garde::Result {
    match Email::parse(text) {
        Some(_) => Ok(()),
        None => Err(field_error("format", "Not an e-mail address")),
    }
}

/// Domains at which anybody can have an address, or a subdomain of their own: a sorted list.
const PUBLIC: &str = include_str!("public_domains.txt");

/// Whether anybody can have an address at this domain, in lower case and ASCII, or at one that it is part of.
pub(crate) fn is_public(domain: &str) -> bool {
    let mut rest = Some(domain);
    while let Some(name) = rest {
        if PUBLIC.lines().any(|public| public == name) {
            return true;
        }
        rest = name.split_once('.').map(|(_, parent)| parent);
    }
    false
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
        assert_eq!(Email::key_of("a@B\u{fc}cher.example"), "a@xn--bcher-kva.example");
    }

    #[test]
    fn domains_of_mail_providers_are_public_and_those_of_companies_are_not() {
        assert!(PUBLIC.lines().is_sorted());
        for (domain, public) in [
            ("gmail.com", true),
            ("mail.gmail.com", true),
            ("example.org", false),
            ("notgmail.com", false),
            ("com", false),
        ] {
            assert_eq!(is_public(domain), public, "{domain}");
        }
    }

    #[test]
    fn accounts_of_addresses_that_are_refused_now_are_still_found() {
        for (given, key) in [
            ("A..B@Example.org", "a..b@example.org"),
            ("a@[127.0.0.1]", "a@[127.0.0.1]"),
        ] {
            assert_eq!(Email::parse(given), None);
            assert_eq!(Email::key_of(given), key);
        }
    }
}
