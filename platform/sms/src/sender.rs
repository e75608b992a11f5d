//! The handle that services hold.

use std::{path::PathBuf, sync::Arc};

use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_outbound::Outbound;
use stoa_providers::{DevPages, Receipt, SendError, Transport};

use crate::{
    Number, Sms, SmsConfig,
    provider::{self, SmsProvider},
};

/// Sends text messages. Cheap to clone.
#[derive(Clone)]
pub struct SmsSender(Arc<Inner>);

struct Inner {
    config: SmsConfig,
    clock: Clock,
    transport: Transport<SmsProvider, Sms>,
}

impl SmsSender {
    /// By the providers that `config` names, whose caps are counted in `cache`; or, if it names none, into its folder, or into
    /// `folder`, which is made if need be.
    ///
    /// # Errors
    /// When the settings or the folder cannot be used.
    pub fn new(
        config: &SmsConfig,
        folder: PathBuf,
        cache: &Cache,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, SendError> {
        config.check()?;
        let providers = provider::entries(config)?.into_iter().map(|entry| {
            entry.map(|twilio| SmsProvider {
                outbound: outbound.clone(),
                twilio,
            })
        });
        let transport = Transport::open(providers.collect(), (&config.folder, folder), cache, &clock)?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            clock,
            transport,
        })))
    }

    /// Sends `sms`. A message whose id is in the folder already is not stored again; a provider may send it twice.
    ///
    /// # Errors
    /// [`SendError::Refused`] when the number is none, is not among `sms.prefixes`, has unsubscribed or cannot be reached,
    /// [`SendError::Permanent`] when it can never be sent otherwise, [`SendError::Transient`] when it may be later.
    pub async fn send(&self, sms: &Sms) -> Result<Receipt, SendError> {
        sms.check(&self.0.config)?;
        match &self.0.transport {
            Transport::Providers(chain) => chain.send(sms).await,
            Transport::Folder(folder) => folder.keep(sms, self.0.clock.now(), Vec::new()).await,
        }
    }

    /// Whether messages go to numbers that begin as this one does, by `sms.prefixes`.
    #[must_use]
    pub fn takes(&self, number: &Number) -> bool {
        self.0.config.takes(number.as_str())
    }

    /// The messages in the folder, newest first; empty where providers send them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn kept(&self) -> Result<Vec<Sms>, SendError> {
        self.0.transport.kept().await
    }

    /// Deletes the messages to the numbers that `theirs` names from the folder. Where providers send them there is nothing to delete.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be deleted.
    pub async fn delete(&self, theirs: impl Fn(&str) -> bool + Send + 'static) -> Result<(), SendError> {
        self.0.transport.delete(move |sms| theirs(&sms.to)).await
    }

    /// Pages over the folder, to callers on this machine who have its key. None where providers send messages. See [`DevPages::new`].
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn dev_pages(&self) -> Result<Option<DevPages>, SendError> {
        self.0.transport.dev_pages()
    }

    /// Whether a provider of the settings has signed this form, which came to `sms.callback_url`. `signature` is the header
    /// `X-Twilio-Signature`; [`parse_callback`](crate::parse_callback) reads the form.
    #[must_use]
    pub fn verifies(&self, body: &[u8], signature: &str) -> bool {
        let url = self.0.config.callback_url.as_str();
        let signed = |one: &SmsProvider| one.twilio.verifies(url, body, signature);
        !url.is_empty() && self.0.transport.providers().any(signed)
    }

    /// Whether providers tell what becomes of messages: there are some, and `sms.callback_url` is set.
    #[must_use]
    pub fn has_callbacks(&self) -> bool {
        !self.0.config.callback_url.is_empty() && !self.is_folder()
    }

    /// Whether messages only go to the folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.0.transport.is_folder()
    }
}
