//! TLS, by rustls with ring: certificates from files, read again when these change, and what a listener needs to speak it.
//!
//! [`Certificates`] holds what a public listener shows, chosen by the name that a client asks for. [`Mutual`] is for peers
//! that both show a certificate. An [`Acceptor`] speaks TLS over connections that a listener has accepted.

mod acceptor;
mod anybody;
mod certificates;
mod expiry;
mod keys;
mod look;
mod mutual;
#[cfg(feature = "testing")]
pub mod testing;
mod validity;
mod watch;

use std::{fmt, sync::Arc};

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto::CryptoProvider};
use serde::{Deserialize, Serialize};

/// What its metrics tell.
pub const METRICS: &[(&str, &str)] = &[(
    "stoa_tls_certificate_expires_seconds",
    "When the first certificate of a settings section expires, in seconds since 1970.",
)];

pub use acceptor::{Acceptor, HandshakeError, Handshakes};
pub use anybody::trusting_anybody;
pub use certificates::{ACME_ALPN, Certificates, Source};
pub use keys::{from_pem, roots};
pub use look::Found;
pub use mutual::{Mutual, MutualFiles};
pub use validity::Validity;

/// What is wrong with certificates or keys, in words for whoever set them.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(pub String);

/// The oldest protocol that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// TLS 1.2, and 1.3 with those who know it.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 alone.
    #[serde(rename = "1.3")]
    Tls13,
}

impl Version {
    fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        const BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => &BOTH[..1],
        }
    }
}

/// The cryptography of everything here. Named each time: a process-wide default would be whoever comes first.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that believes these authorities and shows no certificate.
///
/// # Errors
/// Never, as long as the cryptography knows the versions.
pub fn client_config(roots: RootCertStore, least: Version) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(least.and_later())
        .map_err(|e| wrong("TLS", e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// `TlsError` from whatever went wrong.
fn wrong(what: impl fmt::Display, why: impl fmt::Display) -> TlsError {
    TlsError(format!("{what}: {why}"))
}
