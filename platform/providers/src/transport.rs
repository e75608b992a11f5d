//! Where the messages of a channel go: to its providers, or, while none is set, into a folder.

use std::path::{Path, PathBuf};

use stoa_cache::Cache;
use stoa_kernel::{Clock, Timestamp};

use crate::{Chain, DevPages, Entry, Folder, Receipt, Record, SendError, Shown};

/// Providers of one channel, or the folder that keeps its messages.
pub enum Transport<P, T> {
    /// What the settings name.
    Providers(Chain<P>),
    /// For trying things out.
    Folder(Folder<T>),
}

impl<P: crate::Provider, T: Record + Shown> Transport<P, T> {
    /// The `providers`, whose caps are counted in `cache`; or, if there are none, the folder of the settings, or `default` where they
    /// name none. It is made if need be.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        providers: Vec<Entry<P>>,
        (folder, default): (&Path, PathBuf),
        cache: &Cache,
        clock: &Clock,
    ) -> Result<Self, SendError> {
        if !providers.is_empty() {
            let chain = Chain::new(T::CHANNEL, providers, cache.clone(), clock.clone());
            return Ok(Self::Providers(chain));
        }
        let path = if folder.as_os_str().is_empty() {
            default
        } else {
            folder.to_owned()
        };
        Folder::open(path).map(Self::Folder)
    }

    /// The providers, in order; none where messages are kept in the folder.
    pub fn providers(&self) -> impl Iterator<Item = &P> {
        let chain = match self {
            Self::Providers(chain) => Some(chain),
            Self::Folder(_) => None,
        };
        chain.into_iter().flat_map(Chain::providers)
    }

    /// The messages in the folder, newest first; empty where providers send them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn kept(&self) -> Result<Vec<T>, SendError> {
        match self {
            Self::Providers(_) => Ok(Vec::new()),
            Self::Folder(folder) => {
                let stored = folder.list().await?;
                Ok(stored.into_iter().map(|stored| stored.message).collect())
            }
        }
    }

    /// Deletes the `chosen` messages from the folder. Where providers send them there is nothing to delete.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be deleted.
    pub async fn delete(&self, chosen: impl Fn(&T) -> bool + Send + 'static) -> Result<(), SendError> {
        match self {
            Self::Providers(_) => Ok(()),
            Self::Folder(folder) => folder.delete(chosen).await,
        }
    }

    /// Pages over the folder; none where providers send messages. See [`DevPages::new`].
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn dev_pages(&self) -> Result<Option<DevPages>, SendError> {
        match self {
            Self::Providers(_) => Ok(None),
            Self::Folder(folder) => DevPages::new(folder.clone()).map(Some),
        }
    }

    /// Whether messages only go to the folder.
    pub const fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}

impl<T: Record> Folder<T> {
    /// Keeps a message, with what stands beside it for people, and answers as a provider would.
    ///
    /// # Errors
    /// As [`Folder::store`].
    pub async fn keep(&self, message: &T, time: Timestamp, beside: Vec<u8>) -> Result<Receipt, SendError> {
        self.store(message.clone(), time, beside).await?;
        Ok(Receipt {
            provider: "folder".to_owned(),
            id: message.id().to_owned(),
        })
    }
}
