//! Who takes mails to their recipients, as the settings name them.

use lettre::{Message, message::Mailbox};
use stoa_outbound::Outbound;
use stoa_providers::{Caps, Entry, Provider, SendError};
use url::Url;

use crate::{Address, Mail, MailConfig, sendgrid::SendGrid, smtp::Smtp};

/// One way for mails to go out.
pub(crate) enum MailProvider {
    /// A mail server.
    Smtp(Box<Smtp>),
    /// SendGrid's API, and the way to it.
    SendGrid(SendGrid, Outbound),
}

/// A mail on its way out.
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    pub(crate) mail: Mail,
    pub(crate) from: Mailbox,
    pub(crate) to: Mailbox,
}

impl MailProvider {
    /// Whether it takes mail to `address`. One that does not answer is taken not to.
    pub(crate) async fn takes(&self, address: &Address) -> bool {
        match self {
            Self::Smtp(smtp) => !address.needs_smtputf8() || smtp.takes_utf8().await.unwrap_or(false),
            Self::SendGrid(..) => !address.needs_smtputf8(),
        }
    }
}

impl Provider for MailProvider {
    type Message = Outgoing;

    async fn send(&self, outgoing: &Outgoing) -> Result<String, SendError> {
        let Outgoing {
            message,
            mail,
            from,
            to,
        } = outgoing;
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::SendGrid(sendgrid, outbound) => sendgrid.send(outbound, mail, from, to).await,
        }
    }
}

/// A provider as the settings name it.
pub(crate) enum Named {
    Smtp(Box<Smtp>),
    SendGrid(SendGrid),
}

impl Named {
    pub(crate) fn with(self, outbound: &Outbound) -> MailProvider {
        match self {
            Self::Smtp(smtp) => MailProvider::Smtp(smtp),
            Self::SendGrid(sendgrid) => MailProvider::SendGrid(sendgrid, outbound.clone()),
        }
    }
}

/// The providers that the settings name, in order; none where mails go to a folder. Asks nobody.
pub(crate) fn entries(config: &MailConfig) -> Result<Vec<Entry<Named>>, SendError> {
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
fn entry(config: &MailConfig, key: &str, url: &str) -> Result<Entry<Named>, SendError> {
    let wrong = |words: &str| SendError::Config(format!("{key} {words}"));
    let mut url = Url::parse(url).map_err(|_| {
        wrong("is not a URL; write smtp://user:password@host:587, smtps://user:password@host:465 or sendgrid://:KEY@api.sendgrid.com")
    })?;
    let caps = Caps::take(&mut url, key)?;
    let provider = match url.scheme() {
        "smtp" | "smtps" => Named::Smtp(Box::new(Smtp::new(&url, key, config)?)),
        "sendgrid" => Named::SendGrid(SendGrid::new(&url, key, config.timeout.0)?),
        _ => return Err(wrong("must begin with smtp://, smtps:// or sendgrid://")),
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
