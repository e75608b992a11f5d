//! Who takes mails to their recipients, as the settings name them.

use lettre::Message;
use stoa_providers::{Caps, Entry, Provider, SendError};
use url::Url;

use crate::{Address, MailConfig, smtp::Smtp};

/// One way for mails to go out.
pub(crate) enum MailProvider {
    /// A mail server.
    Smtp(Box<Smtp>),
}

/// A mail on its way out.
pub(crate) struct Outgoing {
    pub(crate) message: Message,
}

impl MailProvider {
    /// Whether it takes mail to `address`. One that does not answer is taken not to.
    pub(crate) async fn takes(&self, address: &Address) -> bool {
        match self {
            Self::Smtp(smtp) => !address.needs_smtputf8() || smtp.takes_utf8().await.unwrap_or(false),
        }
    }
}

impl Provider for MailProvider {
    type Message = Outgoing;

    async fn send(&self, mail: &Outgoing) -> Result<String, SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(&mail.message).await,
        }
    }
}

/// The providers that the settings name, in order; none where mails go to a folder. Asks nobody.
pub(crate) fn entries(config: &MailConfig) -> Result<Vec<Entry<MailProvider>>, SendError> {
    if config.url.is_empty() {
        if config.fallback_urls.is_empty() {
            return Ok(Vec::new());
        }
        let words = "mail.fallback_urls is set and mail.url is not: set mail.url first";
        return Err(SendError::Config(words.to_owned()));
    }
    let fallbacks = config.fallback_urls.iter();
    let urls = fallbacks.map(|url| ("mail.fallback_urls", url));
    std::iter::once(("mail.url", &config.url))
        .chain(urls)
        .map(|(key, url)| entry(config, key, url))
        .collect()
}

/// Messages of errors do not repeat the URL, as it may hold a password.
fn entry(config: &MailConfig, key: &str, url: &str) -> Result<Entry<MailProvider>, SendError> {
    let mut url = Url::parse(url).map_err(|_| {
        SendError::Config(format!(
            "{key} is not a URL; write smtp://user:password@host:587 or smtps://user:password@host:465"
        ))
    })?;
    let caps = Caps::take(&mut url, key)?;
    let provider = match url.scheme() {
        "smtp" | "smtps" => MailProvider::Smtp(Box::new(Smtp::new(&url, key, config.timeout.0)?)),
        _ => {
            return Err(SendError::Config(format!(
                "{key} must begin with smtp:// or smtps://"
            )));
        }
    };
    Ok(Entry {
        name: url
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned(),
        caps,
        provider,
    })
}
