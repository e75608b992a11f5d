//! How sending one message ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// That a provider has taken a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The provider: the host of its address, or `folder`.
    pub provider: String,
    /// What the provider calls the message, for its logs and its callbacks.
    pub id: String,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The address, such as a subscription or a device token, has ended, and is to be deleted.
    #[error("the address has ended: {0}")]
    Gone(String),
    /// There is no such recipient, or the recipient takes no messages: nothing that we could mend.
    #[error("the recipient was refused: {0}")]
    Refused(String),
    /// Sending it again would fail again: the content, or the provider's final word.
    #[error("the message was refused for good: {0}")]
    Permanent(String),
    /// Sending it again later may work.
    #[error("the message could not be sent now: {why}")]
    Transient {
        /// In words, without secrets and without the recipient.
        why: String,
        /// How long the provider asks to wait, or until one is to be had again.
        retry_after: Option<Duration>,
        /// What it is due to.
        cause: Cause,
    },
    /// The settings cannot be used.
    #[error("{0}")]
    Config(String),
}

/// What a failure of the moment is due to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The provider, or the way to it: another one may take the message.
    Provider,
    /// The recipient, such as a full mailbox: the provider works, and another one would do no better.
    Recipient,
    /// Ourselves: too much else was being sent. Nobody was asked, and nothing is known of the provider or the recipient.
    Busy,
    /// The provider had the message and its answer was lost: it may have been sent all the same.
    Lost,
}

impl SendError {
    /// A failure of the moment that is due to `cause`.
    #[must_use]
    pub fn transient(cause: Cause, why: impl Into<String>) -> Self {
        Self::Transient {
            why: why.into(),
            retry_after: None,
            cause,
        }
    }
}
