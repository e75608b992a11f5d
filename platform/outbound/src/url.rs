//! URLs that users give.

use std::{fmt, net::IpAddr};

use http::Uri;
use url::{Host, Url};

use crate::{OutboundConfig, UrlError, address::Networks, ports};

/// A URL that may be called, as far as can be seen without resolving its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
    pub(crate) uri: Uri,
}

impl Target {
    /// The longest URL, in bytes.
    pub const MAX_LENGTH: usize = 2048;

    /// The URL in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Its host as it is written in a URL.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The name that is to be resolved; none where an address stands in its place.
    pub(crate) fn name(&self) -> Option<&str> {
        self.url.domain()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is looked at in a URL.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) networks: Networks,
    ports: Vec<u16>,
    https_only: bool,
}

impl Rules {
    pub(crate) fn new(config: &OutboundConfig, networks: Networks) -> Self {
        Self {
            networks,
            ports: config.ports.clone(),
            https_only: config.https_only,
        }
    }

    pub(crate) fn check(&self, text: &str) -> Result<Target, UrlError> {
        if text.len() > Target::MAX_LENGTH {
            return Err(UrlError::TooLong);
        }
        // A parser of URLs drops or mends these; another one, on the way or at the other end, may read them otherwise.
        let odd = |c: char| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '\\' | '<' | '>' | '"' | '`' | '{' | '}' | '|' | '^')
        };
        if text.contains(odd) {
            return Err(UrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if self.https_only => return Err(UrlError::HttpsOnly),
            "http" => {}
            _ => return Err(UrlError::Scheme),
        }
        let written = written_host(text).ok_or(UrlError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() || written.contains('@') {
            return Err(UrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        self.check_host(&url, written)?;
        let port = url.port_or_known_default().unwrap_or(0);
        if !ports::permits(&self.ports, port) {
            return Err(UrlError::Port);
        }
        let uri = url.as_str().parse().map_err(|_| UrlError::Malformed)?;
        Ok(Target { url, uri })
    }

    fn check_host(&self, url: &Url, written: &str) -> Result<(), UrlError> {
        let address = match url.host().ok_or(UrlError::Malformed)? {
            Host::Ipv4(address) if written.split(':').next() == Some(address.to_string().as_str()) => {
                IpAddr::V4(address)
            }
            // Decimal, octal, hexadecimal, short, percent-encoded, in full-width digits.
            Host::Ipv4(_) => return Err(UrlError::Spelling),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(name) => return self.check_name(name),
        };
        if self.networks.permits(address) {
            Ok(())
        } else {
            Err(UrlError::Host)
        }
    }

    /// Names of inner networks are refused as they stand. Where inner networks may be called, what they resolve to decides.
    fn check_name(&self, name: &str) -> Result<(), UrlError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty()
            || name.len() > 253
            || name.split('.').any(|label| label.is_empty() || label.len() > 63)
        {
            return Err(UrlError::Malformed);
        }
        let is_inner = !name.contains('.')
            || [
                ".localhost",
                ".local",
                ".internal",
                ".home.arpa",
                ".lan",
                ".intranet",
                ".corp",
                ".home",
            ]
            .iter()
            .any(|ending| name.ends_with(ending));
        if is_inner && self.networks.allow.is_empty() {
            return Err(UrlError::Host);
        }
        Ok(())
    }
}

/// The host and port as they are written, with what stands before an `@`.
fn written_host(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(config: &OutboundConfig) -> Rules {
        Rules::new(config, config.networks().unwrap())
    }

    fn refused(text: &str) -> UrlError {
        rules(&OutboundConfig::default()).check(text).unwrap_err()
    }

    #[test]
    fn public_urls_are_taken_in_their_normal_form() {
        let rules = rules(&OutboundConfig::default());
        for (text, normal) in [
            ("https://Example.com", "https://example.com/"),
            ("https://example.com:443/a?b=c", "https://example.com/a?b=c"),
            ("http://8.8.8.8:8080/x", "http://8.8.8.8:8080/x"),
            ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
            ("https://example.com./", "https://example.com./"),
        ] {
            assert_eq!(rules.check(text).unwrap().as_str(), normal);
        }
    }

    #[test]
    fn odd_spellings_of_addresses_are_refused() {
        for host in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "1.1",
            "134744072",
            "0x8.8.8.8",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "8.8.8.8.",
            "127。0。0。1",
        ] {
            assert_eq!(refused(&format!("http://{host}/")), UrlError::Spelling, "{host}");
        }
        for host in [
            "1.2.3.4.5",
            "256.1.1.1",
            "0x7f.0.0.0x100000000",
            "[::1%25eth0]",
            "[::1",
            "",
            ":80",
            "a..b",
            "[v1.x]",
        ] {
            assert_eq!(refused(&format!("http://{host}/")), UrlError::Malformed, "{host}");
        }
    }

    #[test]
    fn addresses_and_names_of_inner_networks_are_refused() {
        for host in [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:0:7f00:1::]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "metadata.google.internal",
            "metadata",
            "printer.local",
            "router.lan",
            "x.home.arpa.",
        ] {
            assert_eq!(refused(&format!("http://{host}/")), UrlError::Host, "{host}");
        }
    }

    #[test]
    fn what_else_does_not_belong_into_a_url_is_refused() {
        for (text, why) in [
            ("ftp://example.com/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("gopher://example.com/", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("example.com/hook", UrlError::Malformed),
            ("//example.com/hook", UrlError::Malformed),
            ("https:example.com", UrlError::Malformed),
            ("https:/example.com", UrlError::Malformed),
            ("https://user@example.com/", UrlError::Credentials),
            ("https://user:password@example.com/", UrlError::Credentials),
            ("https://@example.com/", UrlError::Credentials),
            ("https://8.8.8.8@example.com/", UrlError::Credentials),
            ("https://example.com/#x", UrlError::Fragment),
            ("https://example.com\\@127.0.0.1/", UrlError::Malformed),
            ("https://exam\tple.com/", UrlError::Malformed),
            (" https://example.com/", UrlError::Malformed),
            ("https://example.com/\r\nX: y", UrlError::Malformed),
            ("https://example.com:25/", UrlError::Port),
            ("https://example.com:0/", UrlError::Port),
            ("https://example.com:99999/", UrlError::Malformed),
        ] {
            assert_eq!(refused(text), why, "{text}");
        }
        assert_eq!(
            refused(&format!("https://example.com/{}", "x".repeat(2048))),
            UrlError::TooLong
        );
    }

    #[test]
    fn settings_allow_inner_networks_and_want_https_and_ports() {
        let mut config = OutboundConfig {
            allow: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            ..OutboundConfig::default()
        };
        for text in [
            "http://127.0.0.1:3000/",
            "http://[::1]/",
            "http://localhost/",
            "http://hooks.internal/",
        ] {
            assert!(rules(&config).check(text).is_ok(), "{text}");
        }
        assert_eq!(
            rules(&config).check("http://10.0.0.1/").unwrap_err(),
            UrlError::Host
        );
        assert_eq!(
            rules(&config).check("http://2130706433/").unwrap_err(),
            UrlError::Spelling
        );
        config.https_only = true;
        config.ports = vec![443];
        assert_eq!(
            rules(&config).check("http://example.com/").unwrap_err(),
            UrlError::HttpsOnly
        );
        assert_eq!(
            rules(&config).check("https://example.com:8443/").unwrap_err(),
            UrlError::Port
        );
        assert!(rules(&config).check("https://example.com/").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_leads_to_no_private_address(text in "https?://[0-9a-fx.:\\[\\]%@]{1,24}/") {
            if let Ok(target) = rules(&OutboundConfig::default()).check(&text) {
                match target.url.host().unwrap() {
                    Host::Ipv4(v4) => prop_assert!(crate::address::is_public(v4.into())),
                    Host::Ipv6(v6) => prop_assert!(crate::address::is_public(v6.into())),
                    Host::Domain(name) => prop_assert!(name.parse::<IpAddr>().is_err()),
                }
            }
        }
    }
}
