//! Sending through a mail server.

use std::{sync::OnceLock, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig},
};
use url::Url;

use crate::MailError;

/// How long connecting, and each answer of the server, may take.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECTIONS: u32 = 4;
const IDLE: Duration = Duration::from_secs(30);
/// The server does not know us, or not without encryption: a mistake in the settings, not in the mail.
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

/// A mail server, with connections that are used again.
pub(crate) struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    /// Made at the first mail, as it needs a runtime.
    transport: OnceLock<AsyncSmtpTransport<Tokio1Executor>>,
}

impl Smtp {
    /// The server at `url`. The messages of errors do not repeat it, as it may hold a password.
    pub(crate) fn new(url: &str) -> Result<Self, MailError> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&with_tls(url)?)
            .map_err(|_| config("mail.url cannot be used"))?
            .timeout(Some(TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE));
        Ok(Self {
            builder,
            transport: OnceLock::new(),
        })
    }

    pub(crate) async fn send(&self, message: Message) -> Result<(), MailError> {
        let transport = self.transport.get_or_init(|| self.builder.clone().build());
        match transport.send(message).await {
            Ok(_) => Ok(()),
            Err(e)
                if e.is_permanent() && !e.status().is_some_and(|code| NOT_LET_IN.contains(&code.into())) =>
            {
                Err(MailError::Permanent(e.to_string()))
            }
            Err(e) => Err(MailError::Transient(e.to_string())),
        }
    }
}

fn config(message: &str) -> MailError {
    MailError::Config(message.to_owned())
}

/// Encryption is the rule: without `?tls=none`, `smtp` means STARTTLS and nothing is sent if the server has none.
fn with_tls(text: &str) -> Result<String, MailError> {
    let mut url = Url::parse(text).map_err(|_| {
        config("mail.url is not a URL; write smtp://user:password@host:587 or smtps://user:password@host:465")
    })?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(config(
            "mail.url names no host; write smtp://user:password@host:587",
        ));
    }
    match (url.scheme(), url.query()) {
        ("smtp", None) => url.set_query(Some("tls=required")),
        ("smtp", Some("tls=none")) => url.set_query(None),
        ("smtps", None) => {}
        ("smtp" | "smtps", Some(_)) => {
            return Err(config(
                "mail.url may end in ?tls=none after smtp://, and in nothing else",
            ));
        }
        _ => return Err(config("mail.url must begin with smtp:// or smtps://")),
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_the_rule() {
        assert_eq!(
            with_tls("smtp://u:p@a:587").unwrap(),
            "smtp://u:p@a:587?tls=required"
        );
        assert_eq!(with_tls("smtp://a:25?tls=none").unwrap(), "smtp://a:25");
        assert_eq!(with_tls("smtps://u:p@a").unwrap(), "smtps://u:p@a");
    }

    #[test]
    fn a_wrong_url_is_refused_without_repeating_its_password() {
        for url in [
            "a",
            "http://u:secret@a",
            "smtp://",
            "smtp://u:secret@a?x=1",
            "smtps://u:secret@a?tls=none",
            "smtp://u:secret@a:x",
        ] {
            let Err(MailError::Config(message)) = Smtp::new(url).map(|_| ()) else {
                panic!("{url} was accepted")
            };
            assert!(
                message.starts_with("mail.url") && !message.contains("secret"),
                "{message}"
            );
        }
    }
}
