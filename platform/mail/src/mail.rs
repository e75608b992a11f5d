//! What is sent, how it is set up, and how it fails.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stoa_kernel::Period;

use crate::{message, smtp::Smtp};

/// The section `mail` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `smtp://user:password@host:587` (STARTTLS), `smtps://user:password@host:465`; empty: the folder mailbox.
    /// `smtp://host:25?tls=none` sends without encryption, for a server on the same machine or network.
    pub url: String,
    /// The folder mailbox of processes that share one; empty: one in the data folder.
    pub folder: PathBuf,
    /// Sender of every mail, such as `Stoa <stoa@localhost>`.
    pub from: String,
    /// How long each step of sending may take: connecting and the greeting, each command; three times as long for the mail itself.
    pub timeout: Period,
}

impl MailConfig {
    /// Refuses what no mail could be sent with, without asking a server.
    ///
    /// # Errors
    /// [`MailError::Config`], which names the setting.
    pub fn check(&self) -> Result<(), MailError> {
        message::sender(&self.from)?;
        if self.url.is_empty() {
            return Ok(());
        }
        Smtp::new(&self.url, self.timeout.0).map(drop)
    }
}

/// One mail to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Sent once per id: the file's name, and the Message-ID. Letters, digits, `.`, `_` and `-`.
    pub id: String,
    /// `somebody@example.com` or `Some Body <somebody@example.com>`.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The mail for programs that show text.
    pub text: String,
    /// The same for programs that show HTML.
    pub html: Option<String>,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// There is no such recipient, or the recipient takes no mail: nothing that we could mend.
    #[error("the recipient was refused: {0}")]
    Refused(String),
    /// Sending it again would fail again: the content, or the server's final word.
    #[error("the mail server refused it for good: {0}")]
    Permanent(String),
    /// Sending it again later may work.
    #[error("the mail could not be sent now: {0}")]
    Transient(String),
    /// The settings cannot be used.
    #[error("{0}")]
    Config(String),
}
