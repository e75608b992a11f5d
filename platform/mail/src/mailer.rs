//! The handle that services hold.

use std::{path::PathBuf, sync::Arc};

use lettre::message::Mailbox;
use stoa_kernel::Clock;

use crate::{
    Address, Mail, MailConfig, MailError,
    dev::{self, DevMailbox},
    folder::Folder,
    message,
    smtp::Smtp,
};

/// Sends mail. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    from: Mailbox,
    clock: Clock,
    transport: Transport,
}

enum Transport {
    Smtp(Box<Smtp>),
    Folder(Folder),
}

impl Mailer {
    /// By the server that `config` names; or, if it names none, into its folder, or into `folder`, which is made if need be.
    ///
    /// # Errors
    /// When the settings or the folder cannot be used.
    pub fn new(config: &MailConfig, folder: PathBuf) -> Result<Self, MailError> {
        let from = message::sender(&config.from)?;
        let transport = if config.url.is_empty() {
            let own = &config.folder;
            Transport::Folder(Folder::open(if own.as_os_str().is_empty() {
                folder
            } else {
                own.clone()
            })?)
        } else {
            Transport::Smtp(Box::new(Smtp::new(&config.url, config.timeout.0)?))
        };
        Ok(Self(Arc::new(Inner {
            from,
            clock: Clock::system(),
            transport,
        })))
    }

    /// Sends `mail`. A mail whose id is in the folder already is not stored again; a server may get it twice, with the
    /// same Message-ID.
    ///
    /// # Errors
    /// [`MailError::Refused`] when the recipient takes no mail, [`MailError::Permanent`] when it can never be sent otherwise, [`MailError::Transient`] when it may be later.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let time = self.0.clock.now();
        let message = message::build(mail, &self.0.from, time)?;
        match &self.0.transport {
            Transport::Smtp(smtp) => smtp.send(message).await,
            Transport::Folder(folder) => folder.store(mail.clone(), time, message.formatted()).await,
        }
    }

    /// Whether mail to `address` can be sent from here: a mail server may take ASCII alone. Only then the server is asked; one that
    /// does not answer is taken not to.
    pub async fn takes(&self, address: &Address) -> bool {
        match &self.0.transport {
            Transport::Smtp(smtp) if address.needs_smtputf8() => smtp.takes_utf8().await.unwrap_or(false),
            Transport::Smtp(_) | Transport::Folder(_) => true,
        }
    }

    /// The mails in the folder, newest first; empty with SMTP.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn mailbox(&self) -> Result<Vec<Mail>, MailError> {
        match &self.0.transport {
            Transport::Smtp(_) => Ok(Vec::new()),
            Transport::Folder(folder) => Ok(folder
                .list()
                .await?
                .into_iter()
                .map(|stored| stored.mail)
                .collect()),
        }
    }

    /// Deletes the mails to whom `theirs` names by their bare address from the folder. With SMTP there is nothing to delete.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be deleted.
    pub async fn forget(&self, theirs: impl Fn(&str) -> bool + Send + 'static) -> Result<(), MailError> {
        match &self.0.transport {
            Transport::Smtp(_) => Ok(()),
            Transport::Folder(folder) => folder.forget(theirs).await,
        }
    }

    /// Pages over the folder mailbox, to callers on this machine who have its key. None with SMTP. Not to be served where people
    /// reach this installation from elsewhere.
    ///
    /// The server must put axum's `ConnectInfo<SocketAddr>` into requests; without it every caller is refused.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn dev_mailbox(&self) -> Result<Option<DevMailbox>, MailError> {
        match &self.0.transport {
            Transport::Smtp(_) => Ok(None),
            Transport::Folder(folder) => dev::mailbox(folder.clone()).map(Some),
        }
    }

    /// Whether mails only go to the folder.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self.0.transport, Transport::Folder(_))
    }
}
