//! What is sent, how it is set up, and how it fails.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use stoa_kernel::Period;
use stoa_providers::SendError;

use crate::{EventKey, Headers, message, provider};

/// The section `mail` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `smtp://user:password@host:587` (STARTTLS), `smtps://user:password@host:465`; empty: the folder mailbox.
    /// `smtp://host:25?tls=none` sends without encryption, for a server on the same machine or network.
    /// At most so many mails in a minute and in a day of the clock: `?per_minute=60&per_day=1000`.
    pub url: String,
    /// Further ones, of the same form and in this order, for what the first cannot take.
    pub fallback_urls: Vec<String>,
    /// The folder mailbox of processes that share one; empty: one in the data folder.
    pub folder: PathBuf,
    /// Sender of every mail, such as `Stoa <stoa@localhost>`.
    pub from: String,
    /// A file with authorities whose certificates are accepted of mail servers besides the well-known ones, PEM. Empty: none.
    pub ca: PathBuf,
    /// The key that SendGrid shows beside "Signed Event Webhook". Empty: its events are not believed.
    pub event_key: String,
    /// How long each step of sending may take: connecting and the greeting, each command; three times as long for the mail itself.
    pub timeout: Period,
}

impl Default for MailConfig {
    /// As when nobody sets anything.
    fn default() -> Self {
        Self {
            url: String::new(),
            fallback_urls: Vec::new(),
            folder: PathBuf::new(),
            from: "Stoa <stoa@localhost>".to_owned(),
            ca: PathBuf::new(),
            event_key: String::new(),
            timeout: Period(Duration::from_secs(30)),
        }
    }
}

impl MailConfig {
    /// Refuses what no mail could be sent with, without asking a server.
    ///
    /// # Errors
    /// [`SendError::Config`], which names the setting.
    pub fn check(&self) -> Result<(), SendError> {
        message::sender(&self.from)?;
        self.read_event_key()?;
        provider::entries(self).map(drop)
    }
}

impl MailConfig {
    /// The key of events, if there is one.
    pub(crate) fn read_event_key(&self) -> Result<Option<EventKey>, SendError> {
        if self.event_key.is_empty() {
            return Ok(None);
        }
        let words = "mail.event_key is no key; copy what SendGrid shows beside Signed Event Webhook";
        EventKey::parse(&self.event_key)
            .map(Some)
            .ok_or_else(|| SendError::Config(words.to_owned()))
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
    /// Further headers. ASCII without control characters, at most 900 bytes each, and of the form that the header asks for.
    #[serde(default)]
    pub headers: Headers,
}
