//! Whose access tokens are accepted, and whom they are meant for.

use std::net::IpAddr;

use http::Uri;

use crate::Claims;

/// The issuer of all tokens before issuers had addresses. Such tokens name no audience.
pub const FORMER_ISSUER: &str = "stoa";

/// Issuers whose tokens are accepted. Each issues tokens for itself: an installation is its own audience.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issuers(Vec<String>);

impl Issuers {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether a token that says this is of an accepted issuer, and meant for it.
    pub(crate) fn accept(&self, claims: &Claims) -> bool {
        let meant = match &claims.aud {
            Some(audience) => self.knows(audience),
            None => claims.iss == FORMER_ISSUER,
        };
        meant && self.knows(&claims.iss)
    }

    /// On the loopback interface a port is no name: the next start may listen on another, and so may the next replica.
    fn knows(&self, name: &str) -> bool {
        let same = |known: &String| known == name || (is_loopback(known) && is_loopback(name));
        self.0.iter().any(same)
    }
}

fn is_loopback(name: &str) -> bool {
    let uri: Option<Uri> = name.parse().ok();
    uri.as_ref().and_then(Uri::host).is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_one_place_whatever_the_port() {
        let issuers = Issuers::new(vec!["http://127.0.0.1:3000".to_owned()]);
        assert!(issuers.knows("http://127.0.0.1:3001") && issuers.knows("http://[::1]:8080"));
        assert!(issuers.knows("http://localhost:8080"));
        for other in ["http://127.0.0.1.example.com", "https://stoa.example", "stoa", ""] {
            assert!(!issuers.knows(other), "{other}");
        }
        let issuers = Issuers::new(vec!["https://stoa.example".to_owned()]);
        assert!(!issuers.knows("http://127.0.0.1:3000") && !issuers.knows("https://stoa.example:8443"));
    }
}
