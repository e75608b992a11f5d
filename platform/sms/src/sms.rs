//! What is sent, and how it is set up.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use stoa_kernel::Period;
use stoa_providers::{SendError, is_id};
use url::Url;

use crate::{Number, Segments, provider};

/// The section `sms` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    /// `twilio://SID:TOKEN@api.twilio.com?from=+15005550006`, or `?messaging_service=MG…`; empty: the folder.
    /// At most so many messages in a minute and in a day of the clock: `&per_minute=60&per_day=1000`.
    pub url: String,
    /// Further ones, of the same form and in this order, for what the first cannot take.
    pub fallback_urls: Vec<String>,
    /// The folder of processes that share one; empty: one in the data folder.
    pub folder: PathBuf,
    /// Where the provider tells what became of a message; empty: nowhere.
    pub callback_url: String,
    /// What numbers begin with that messages are sent to, such as `+49`; empty: all.
    pub prefixes: Vec<String>,
    /// The parts that one message may have: each is paid for.
    pub max_segments: u32,
    /// How long sending one message may take.
    pub timeout: Period,
}

impl Default for SmsConfig {
    /// As when nobody sets anything.
    fn default() -> Self {
        Self {
            url: String::new(),
            fallback_urls: Vec::new(),
            folder: PathBuf::new(),
            callback_url: String::new(),
            prefixes: Vec::new(),
            max_segments: 10,
            timeout: Period(Duration::from_secs(30)),
        }
    }
}

impl SmsConfig {
    /// Refuses what no message could be sent with, without asking anybody.
    ///
    /// # Errors
    /// [`SendError::Config`], which names the setting.
    pub fn check(&self) -> Result<(), SendError> {
        let wrong = |prefix: &&String| {
            let digits = prefix.strip_prefix('+').unwrap_or_default();
            !(1..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if let Some(prefix) = self.prefixes.iter().find(wrong) {
            let words = format!("sms.prefixes has '{prefix}'; write the beginning of numbers, such as +49");
            return Err(SendError::Config(words));
        }
        let callback = self.callback_url.as_str();
        let is_web = |url: &Url| matches!(url.scheme(), "https" | "http");
        if !callback.is_empty() && !Url::parse(callback).is_ok_and(|url| is_web(&url)) {
            let words = "sms.callback_url must be a URL that begins with https://";
            return Err(SendError::Config(words.to_owned()));
        }
        if self.max_segments == 0 {
            return Err(SendError::Config(
                "sms.max_segments must be at least 1".to_owned(),
            ));
        }
        provider::entries(self).map(drop)
    }
}

impl SmsConfig {
    /// Whether messages go to numbers that begin as this one does.
    pub(crate) fn takes(&self, number: &str) -> bool {
        let begins = |prefix: &String| number.starts_with(prefix.as_str());
        self.prefixes.is_empty() || self.prefixes.iter().any(begins)
    }
}

/// One text message to one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sms {
    /// Letters, digits, `.`, `_` and `-`. In the folder, a message is stored once per id.
    pub id: String,
    /// The number in its international form (E.164): `+491701234567`.
    pub to: String,
    /// What it says. Lines may end in `\n`.
    pub text: String,
}

impl Sms {
    /// Refuses what cannot be sent.
    pub(crate) fn check(&self, config: &SmsConfig) -> Result<(), SendError> {
        let refuse = |why: String| Err(SendError::Permanent(why));
        if !is_id(&self.id) {
            return refuse("the id is not made of letters, digits, '.', '_' and '-'".to_owned());
        }
        if Number::parse(&self.to).is_none() {
            return Err(SendError::Refused(
                "it is not a phone number in its international form".to_owned(),
            ));
        }
        if !config.takes(&self.to) {
            return Err(SendError::Refused(
                "numbers that begin so are not among sms.prefixes".to_owned(),
            ));
        }
        if self.text.trim().is_empty() || self.text.contains(|c: char| c.is_control() && c != '\n') {
            return refuse("the text is empty or contains control characters".to_owned());
        }
        let segments = Segments::of(&self.text);
        if segments.count > config.max_segments {
            return refuse(format!(
                "the text takes {} parts, and sms.max_segments is {}",
                segments.count, config.max_segments
            ));
        }
        Ok(())
    }
}
