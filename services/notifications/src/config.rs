//! Section `[notifications]` of the settings.

use serde::{Deserialize, Serialize};
use stoa_kernel::{Period, Rate};

/// Most push subscriptions that one person can be allowed: a message to all of them is one job.
pub(crate) const PUSH_SUBSCRIPTIONS: u32 = 100;

/// What can be set; the defaults stand in `defaults.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationsConfig {
    /// Notifications that one person's inbox holds.
    pub inbox_max: u32,
    /// Topics that one person follows.
    pub topics_max: u32,
    /// Browsers and phones of one person that push messages go to.
    pub push_subscriptions_max: u32,
    /// How long notifications are kept in the inbox.
    pub inbox_keep: Period,
    /// How long an address stays suppressed.
    pub suppressions_keep: Period,
    /// How long the history is kept.
    pub history_keep: Period,
    /// Codes by which people show that a phone number is theirs.
    pub phone_codes: PhoneCodesConfig,
}

/// How often such codes are sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneCodesConfig {
    /// To one person.
    pub per_person: Rate,
    /// To one number.
    pub per_number: Rate,
    /// To people in one network.
    pub per_network: Rate,
    /// To all people together.
    pub in_all: Rate,
}

impl NotificationsConfig {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), String> {
        if self.push_subscriptions_max > PUSH_SUBSCRIPTIONS {
            return Err(format!(
                "notifications.push_subscriptions_max is {} and must be at most {PUSH_SUBSCRIPTIONS}",
                self.push_subscriptions_max
            ));
        }
        Ok(())
    }
}
