//! What is sent.

use std::{collections::BTreeMap, time::Duration};

use stoa_providers::SendError;

/// The longest that a push service keeps a message: four weeks.
const LONGEST: Duration = Duration::from_secs(28 * 24 * 3600);

/// One message to one browser or phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The receiver may use it to know again what it has had already.
    pub id: String,
    /// What kind of message it is, for the program that receives it; empty: nothing is said.
    pub kind: String,
    /// One line.
    pub title: String,
    /// What it says. Browsers get as much of it as every push service takes.
    pub text: String,
    /// Where it leads to.
    pub link: Option<String>,
    /// For the program that receives it.
    pub data: BTreeMap<String, String>,
    /// How long the push service tries to deliver it while the receiver is away; at most four weeks.
    pub ttl: Duration,
    /// Whether the receiver is to be woken for it.
    pub urgency: Urgency,
    /// A later message of the same topic takes the place of one that was not delivered yet. At most 32 letters, digits, `-` and `_`.
    pub topic: Option<String>,
}

/// How much a message matters (RFC 8030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// On power and on Wi-Fi.
    VeryLow,
    /// On power or on Wi-Fi.
    Low,
    /// On neither.
    #[default]
    Normal,
    /// Also when the battery is low.
    High,
}

impl Urgency {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl Push {
    pub(crate) fn check(&self) -> Result<(), SendError> {
        let is_topic = |topic: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=32).contains(&topic.len()) && topic.bytes().all(plain)
        };
        if self.topic.as_ref().is_some_and(|topic| !is_topic(topic)) {
            let words = "the topic is not made of at most 32 letters, digits, '-' and '_'";
            return Err(SendError::Permanent(words.to_owned()));
        }
        Ok(())
    }

    /// In whole seconds.
    pub(crate) fn ttl_seconds(&self) -> u64 {
        self.ttl.min(LONGEST).as_secs()
    }
}
