//! Section `[server.tls.acme]` of the settings.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stoa_tls::TlsError;

/// Section `[server.tls.acme]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcmeConfig {
    /// Names that the certificate is for. Empty: none is obtained.
    pub domains: Vec<String>,
    /// Where the authority writes to when something is wrong.
    pub email: String,
    /// Whether whoever runs this has agreed to the authority's terms.
    pub agree_terms: bool,
    /// The authority's directory.
    pub directory: String,
    /// A file with the authority of the directory's own certificate, if it is not a public one.
    pub ca: PathBuf,
    /// How the authority sees that the names are ours.
    pub challenge: Challenge,
}

/// How an authority sees that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// It asks the listener with TLS, at port 443 of the name (RFC 8737).
    TlsAlpn,
    /// It asks the listener without TLS, at port 80 of the name.
    Http,
}

const SECTION: &str = "server.tls.acme";

impl AcmeConfig {
    /// Whether certificates are obtained.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.domains.is_empty()
    }

    /// Refuses what no authority could be asked with, without asking it. Nothing where no name is set.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), TlsError> {
        if !self.is_on() {
            return Ok(());
        }
        let wrong = |words: String| Err(TlsError(format!("{SECTION}.{words}")));
        if !self.agree_terms {
            return wrong(format!(
                "agree_terms is not true: read the terms of the authority at {} and set it",
                self.directory
            ));
        }
        if !self.directory.starts_with("https://") {
            return wrong(format!(
                "directory is '{}', which does not begin with https://",
                self.directory
            ));
        }
        if !self.email.is_empty() && !self.email.contains('@') {
            return wrong(format!("email is '{}', which is not an address", self.email));
        }
        let ca = self.ca.as_path();
        if !ca.as_os_str().is_empty()
            && let Err(e) = std::fs::read(ca)
        {
            return wrong(format!("ca: {} cannot be read: {e}", ca.display()));
        }
        for domain in &self.domains {
            let plain = domain
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
            let name = rustls_pki_types::DnsName::try_from(domain.as_str());
            if !plain || name.is_err() || domain.parse::<std::net::IpAddr>().is_ok() {
                return wrong(format!(
                    "domains has '{domain}', which is not the name of a host; a name with * needs a certificate of another kind"
                ));
            }
        }
        Ok(())
    }
}
