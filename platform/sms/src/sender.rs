//! The handle that services hold.

use std::{path::PathBuf, sync::Arc};

use stoa_cache::Cache;
use stoa_kernel::Clock;
use stoa_outbound::Outbound;
use stoa_providers::{Chain, DevPages, Folder, Receipt, SendError};

use crate::{
    Sms, SmsConfig,
    provider::{self, SmsProvider},
};

/// Sends text messages. Cheap to clone.
#[derive(Clone)]
pub struct SmsSender(Arc<Inner>);

struct Inner {
    config: SmsConfig,
    clock: Clock,
    transport: Transport,
}

enum Transport {
    Providers(Chain<SmsProvider>),
    Folder(Folder<Sms>),
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
        let providers = provider::entries(config)?;
        let transport = if providers.is_empty() {
            let own = &config.folder;
            Transport::Folder(Folder::open(if own.as_os_str().is_empty() {
                folder
            } else {
                own.clone()
            })?)
        } else {
            let providers = providers.into_iter().map(|entry| {
                entry.map(|twilio| SmsProvider {
                    outbound: outbound.clone(),
                    twilio,
                })
            });
            Transport::Providers(Chain::new(
                "sms",
                providers.collect(),
                cache.clone(),
                clock.clone(),
            ))
        };
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
            Transport::Folder(folder) => {
                folder.store(sms.clone(), self.0.clock.now(), Vec::new()).await?;
                Ok(Receipt {
                    provider: "folder".to_owned(),
                    id: sms.id.clone(),
                })
            }
        }
    }

    /// The messages in the folder, newest first; empty where providers send them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn kept(&self) -> Result<Vec<Sms>, SendError> {
        match &self.0.transport {
            Transport::Providers(_) => Ok(Vec::new()),
            Transport::Folder(folder) => {
                let stored = folder.list().await?;
                Ok(stored.into_iter().map(|stored| stored.message).collect())
            }
        }
    }

    /// Deletes the messages to the numbers that `theirs` names from the folder. Where providers send them there is nothing to delete.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be deleted.
    pub async fn delete(&self, theirs: impl Fn(&str) -> bool + Send + 'static) -> Result<(), SendError> {
        match &self.0.transport {
            Transport::Providers(_) => Ok(()),
            Transport::Folder(folder) => folder.delete(move |sms| theirs(&sms.to)).await,
        }
    }

    /// Pages over the folder, to callers on this machine who have its key. None where providers send messages. See [`DevPages::new`].
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn dev_pages(&self) -> Result<Option<DevPages>, SendError> {
        match &self.0.transport {
            Transport::Providers(_) => Ok(None),
            Transport::Folder(folder) => DevPages::new(folder.clone()).map(Some),
        }
    }

    /// Whether a provider of the settings has signed this form, which came to `sms.callback_url`. `signature` is the header
    /// `X-Twilio-Signature`; [`parse_callback`](crate::parse_callback) reads the form.
    #[must_use]
    pub fn verifies(&self, body: &[u8], signature: &str) -> bool {
        let Transport::Providers(chain) = &self.0.transport else {
            return false;
        };
        let url = self.0.config.callback_url.as_str();
        let signed = |one: &SmsProvider| one.twilio.verifies(url, body, signature);
        !url.is_empty() && chain.providers().any(signed)
    }

    /// Whether messages only go to the folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self.0.transport, Transport::Folder(_))
    }
}
