//! Where the mail server is, and how to speak to it.

use std::time::Duration;

use lettre::transport::smtp::{
    authentication::Credentials,
    client::{Certificate, TlsParameters},
    extension::ClientId,
};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{MailConfig, SendError};

pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
    /// How long each step may take.
    pub(super) timeout: Duration,
}

/// How the connection is encrypted.
pub(super) enum Tls {
    /// Not at all.
    None,
    /// From the beginning.
    Wrapper(TlsParameters),
    /// By STARTTLS. A server that does not offer it is sent nothing.
    Required(TlsParameters),
}

impl Server {
    /// Encryption is the rule: without `?tls=none`, `smtp` means STARTTLS. Messages begin with `key`, the setting that has the URL,
    /// and do not repeat it.
    pub(super) fn read(url: &Url, key: &str, settings: &MailConfig) -> Result<Self, SendError> {
        let config = |message: &str| SendError::Config(format!("{key} {message}"));
        let host = url
            .host_str()
            .map(|host| host.trim_matches(['[', ']']).to_owned())
            .filter(|host| !host.is_empty())
            .ok_or_else(|| config("names no host; write smtp://user:password@host:587"))?;
        let encrypted = || {
            let mut tls = TlsParameters::builder(host.clone());
            if let Some(authority) = authority(settings)? {
                tls = tls.add_root_certificate(authority);
            }
            tls.build_rustls().map_err(|_| config("cannot be used"))
        };
        let (port, tls) = match (url.scheme(), url.query()) {
            ("smtp", None) => (587, Tls::Required(encrypted()?)),
            ("smtp", Some("tls=none")) => (25, Tls::None),
            ("smtps", None) => (465, Tls::Wrapper(encrypted()?)),
            ("smtp" | "smtps", Some(_)) => {
                return Err(config(
                    "may have tls=none after smtp://, and per_minute and per_day, in its query and nothing else",
                ));
            }
            _ => return Err(config("must begin with smtp:// or smtps://")),
        };
        let name = url.path().trim_matches('/');
        Ok(Self {
            port: url.port().unwrap_or(port),
            tls,
            credentials: credentials(url)
                .ok_or_else(|| config("has a user or password that is not UTF-8"))?,
            hello: if name.is_empty() {
                ClientId::default()
            } else {
                ClientId::Domain(name.to_owned())
            },
            timeout: settings.timeout.0,
            host,
        })
    }
}

/// The authorities of `mail.ca`.
fn authority(settings: &MailConfig) -> Result<Option<Certificate>, SendError> {
    let path = &settings.ca;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |why: &str| SendError::Config(format!("mail.ca: {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|e| wrong(&e.to_string()))?;
    let authority = Certificate::from_pem(&pem).map_err(|_| wrong("it has no certificates in PEM"))?;
    Ok(Some(authority))
}

/// None within if the URL has no password; none at all if it cannot be read.
fn credentials(url: &Url) -> Option<Option<Credentials>> {
    let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let Some(password) = url.password() else {
        return Some(None);
    };
    Some(Some(Credentials::new(
        decoded(url.username())?,
        decoded(password)?,
    )))
}

#[cfg(test)]
mod tests {
    use stoa_kernel::Period;

    use super::*;

    fn settings() -> MailConfig {
        MailConfig {
            timeout: Period(Duration::from_secs(1)),
            ..MailConfig::default()
        }
    }

    fn read(url: &str) -> Result<Server, SendError> {
        Server::read(&Url::parse(url).unwrap(), "mail.url", &settings())
    }

    #[test]
    fn encryption_is_the_rule() {
        let server = read("smtp://u:p%40@a").unwrap();
        assert!(matches!(server.tls, Tls::Required(_)));
        assert_eq!((server.host.as_str(), server.port), ("a", 587));
        assert_eq!(
            server.credentials,
            Some(Credentials::new("u".to_owned(), "p@".to_owned()))
        );
        let server = read("smtp://[::1]?tls=none").unwrap();
        assert!(matches!(server.tls, Tls::None));
        assert_eq!((server.host.as_str(), server.port), ("::1", 25));
        assert!(server.credentials.is_none());
        let server = read("smtps://u:p@a:4650").unwrap();
        assert!(matches!(server.tls, Tls::Wrapper(_)));
        assert_eq!(server.port, 4650);
    }

    #[test]
    fn a_wrong_url_is_refused_without_repeating_its_password() {
        for url in [
            "http://u:secret@a",
            "smtp://",
            "smtp://u:secret@a?x=1",
            "smtps://u:secret@a?tls=none",
            "smtp://u:secret%FF@a",
        ] {
            let Err(SendError::Config(message)) = read(url).map(|_| ()) else {
                panic!("{url} was accepted")
            };
            assert!(
                message.starts_with("mail.url") && !message.contains("secret"),
                "{message}"
            );
        }
    }
}
