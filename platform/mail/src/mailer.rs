//! The handle that services hold.

use std::{path::PathBuf, sync::Arc};

use lettre::message::Mailbox;
use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_outbound::Outbound;
use stoa_providers::{DevPages, Transport};

use crate::{
    Address, EventKey, Mail, MailConfig, Receipt, SendError, message,
    provider::{self, MailProvider, Outgoing},
};

/// Sends mail. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    from: Mailbox,
    event_key: Option<EventKey>,
    clock: Clock,
    transport: Transport<MailProvider, Mail>,
}

impl Mailer {
    /// By the providers that `config` names, whose caps are counted in `cache`; or, if it names none, into its folder, or into
    /// `folder`, which is made if need be.
    ///
    /// # Errors
    /// When the settings or the folder cannot be used.
    pub fn new(
        config: &MailConfig,
        folder: PathBuf,
        cache: &Cache,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, SendError> {
        let from = message::sender(&config.from)?;
        let providers = provider::entries(config)?.into_iter();
        let providers = providers.map(|entry| entry.map(|named| named.with(outbound)));
        let transport = Transport::open(providers.collect(), (&config.folder, folder), cache, &clock)?;
        Ok(Self(Arc::new(Inner {
            from,
            event_key: config.read_event_key()?,
            clock,
            transport,
        })))
    }

    /// Sends `mail`. A mail whose id is in the folder already is not stored again; a server may get it twice, with the
    /// same Message-ID.
    ///
    /// # Errors
    /// [`SendError::Refused`] when the recipient takes no mail, [`SendError::Permanent`] when it can never be sent otherwise, [`SendError::Transient`] when it may be later.
    pub async fn send(&self, mail: &Mail) -> Result<Receipt, SendError> {
        let time = self.0.clock.now();
        let message = message::build(mail, &self.0.from, time)?;
        match &self.0.transport {
            Transport::Providers(chain) => {
                let to = message::mailbox(&mail.to)
                    .ok_or_else(|| SendError::Refused("it is not an e-mail address".to_owned()))?;
                let outgoing = Outgoing {
                    message,
                    mail: mail.clone(),
                    from: self.0.from.clone(),
                    to,
                };
                let outcome = chain.send(&outgoing).await;
                self.of_recipient(mail, outcome).await
            }
            Transport::Folder(folder) => folder.keep(mail, time, message.formatted()).await,
        }
    }

    /// What no provider takes because of its recipient's address was refused for that.
    async fn of_recipient(
        &self,
        mail: &Mail,
        outcome: Result<Receipt, SendError>,
    ) -> Result<Receipt, SendError> {
        let Err(SendError::Permanent(why)) = outcome else {
            return outcome;
        };
        let address = message::mailbox(&mail.to).and_then(|to| Address::parse(to.email.as_ref()));
        match address {
            Some(address) if !self.takes(&address).await => Err(SendError::Refused(why)),
            _ => Err(SendError::Permanent(why)),
        }
    }

    /// Whether mail to `address` can be sent from here: a mail server may take ASCII alone. Only then the server is asked; one that
    /// does not answer is taken not to.
    pub async fn takes(&self, address: &Address) -> bool {
        for provider in self.0.transport.providers() {
            if provider.takes(address).await {
                return true;
            }
        }
        self.is_folder()
    }

    /// The mails in the folder, newest first; empty where providers send them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn mailbox(&self) -> Result<Vec<Mail>, SendError> {
        self.0.transport.kept().await
    }

    /// Deletes the mails to whom `theirs` names by their bare address from the folder. Where providers send them there is nothing to
    /// delete.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be deleted.
    pub async fn forget(&self, theirs: impl Fn(&str) -> bool + Send + 'static) -> Result<(), SendError> {
        let theirs =
            move |mail: &Mail| message::mailbox(&mail.to).is_some_and(|to| theirs(to.email.as_ref()));
        self.0.transport.delete(theirs).await
    }

    /// Pages over the folder mailbox, to callers on this machine who have its key. None where providers send mails. Not to be served
    /// where people reach this installation from elsewhere.
    ///
    /// The server must put axum's `ConnectInfo<SocketAddr>` into requests; without it every caller is refused.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn dev_mailbox(&self) -> Result<Option<DevPages>, SendError> {
        self.0.transport.dev_pages()
    }

    /// Whether SendGrid has signed this body of events, by the key of the settings. `signature` and `timestamp` are the headers
    /// [`EventKey::SIGNATURE`] and [`EventKey::TIMESTAMP`]; [`parse_events`](crate::parse_events) reads the body.
    #[must_use]
    pub fn verifies_events(&self, signature: &str, timestamp: &str, body: &[u8]) -> bool {
        let key = self.0.event_key.as_ref();
        key.is_some_and(|key| key.verifies(signature, timestamp, body))
    }

    /// Whether events of SendGrid are believed: `mail.event_key` is set.
    #[must_use]
    pub fn has_event_key(&self) -> bool {
        self.0.event_key.is_some()
    }

    /// Whether mails only go to the folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.0.transport.is_folder()
    }
}
