//! Section `push`.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use stoa_kernel::Period;
use stoa_providers::SendError;
use url::Url;

use crate::fcm::ServiceAccount;

/// The section `push` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushConfig {
    /// Where push services reach those who run this installation: `mailto:…` or `https://…`. Empty: the address of this installation, if
    /// that begins with `https://`.
    pub contact: String,
    /// The file of a service account of Firebase, JSON. Empty: no messages to phones.
    pub fcm_service_account: PathBuf,
    /// FCM's API.
    pub fcm_url: String,
    /// How long sending one message may take.
    pub timeout: Period,
}

impl Default for PushConfig {
    /// As when nobody sets anything.
    fn default() -> Self {
        Self {
            contact: String::new(),
            fcm_service_account: PathBuf::new(),
            fcm_url: "https://fcm.googleapis.com".to_owned(),
            timeout: Period(Duration::from_secs(30)),
        }
    }
}

impl PushConfig {
    /// Refuses what nothing could be sent with, without asking anybody.
    ///
    /// # Errors
    /// [`SendError::Config`], which names the setting.
    pub fn check(&self) -> Result<(), SendError> {
        let wrong = |words: &str| Err(SendError::Config(words.to_owned()));
        let contact = self.contact.as_str();
        let is_contact = contact.starts_with("https://") || contact.starts_with("mailto:");
        if !contact.is_empty() && (!is_contact || Url::parse(contact).is_err()) {
            return wrong("push.contact must begin with mailto: or https://");
        }
        self.service_account()?;
        match Url::parse(&self.fcm_url) {
            Ok(url) if matches!(url.scheme(), "https" | "http") && url.has_host() => Ok(()),
            _ => wrong("push.fcm_url must be a URL such as https://fcm.googleapis.com"),
        }
    }

    /// The service account, if there is one.
    pub(crate) fn service_account(&self) -> Result<Option<ServiceAccount>, SendError> {
        let path = &self.fcm_service_account;
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let wrong =
            |why: String| SendError::Config(format!("push.fcm_service_account: {}: {why}", path.display()));
        let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        ServiceAccount::parse(&text).map(Some).map_err(wrong)
    }
}
