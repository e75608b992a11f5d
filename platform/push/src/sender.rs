//! The handle that services hold.

use std::sync::Arc;

use stoa_kernel::Clock;
use stoa_outbound::Outbound;
use stoa_providers::{Breakers, Receipt, SendError};

use crate::{
    Push, PushConfig, Subscription, VapidKey,
    fcm::Fcm,
    web::{self, Sending},
};

/// Bytes of a phone's token beyond which it is none.
const TOKEN: usize = 4096;

/// Sends push messages. Cheap to clone.
#[derive(Clone)]
pub struct PushSender(Arc<Inner>);

struct Inner {
    config: PushConfig,
    contact: Option<String>,
    /// With turns of its own: push services that people name and that never answer keep nothing else from being sent.
    outbound: Outbound,
    fcm: Option<Fcm>,
    /// One for each push service: there are several, and people give their addresses.
    breakers: Breakers,
    clock: Clock,
}

/// Where a message goes.
#[derive(Clone, Debug)]
pub enum PushAddress {
    /// A browser.
    Web(Subscription),
    /// The token that FCM gave an app on a phone.
    Fcm(String),
}

impl PushSender {
    /// As the settings say. `public_url` is where people reach this installation.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn new(
        config: &PushConfig,
        public_url: &str,
        outbound: &Outbound,
        clock: Clock,
    ) -> Result<Self, SendError> {
        config.check()?;
        let contact = [config.contact.as_str(), public_url];
        let contact = contact
            .into_iter()
            .find(|contact| contact.starts_with("mailto:") || contact.starts_with("https://"));
        let fcm = config.service_account()?;
        Ok(Self(Arc::new(Inner {
            contact: contact.map(str::to_owned),
            fcm: fcm.map(|account| Fcm::new(account, &config.fcm_url, config.timeout.0, clock.clone())),
            outbound: outbound.apart(),
            breakers: Breakers::new("push", clock.clone()),
            config: config.clone(),
            clock,
        })))
    }

    /// Whether messages to phones can be sent.
    #[must_use]
    pub fn has_fcm(&self) -> bool {
        self.0.fcm.is_some()
    }

    /// A subscription of the parts that a browser gives: its endpoint, and the keys `p256dh` and `auth` in base64. Asks nobody.
    ///
    /// # Errors
    /// Which of the parts is wrong, and why.
    pub fn subscription(
        &self,
        endpoint: &str,
        p256dh: &str,
        auth: &str,
    ) -> Result<Subscription, crate::SubscriptionError> {
        Subscription::new(&self.0.outbound, endpoint, p256dh, auth)
    }

    /// Sends a message. `key` is the installation's, by which browsers have subscribed.
    ///
    /// # Errors
    /// [`SendError::Gone`] when the subscription or token is to be deleted, [`SendError::Permanent`] when it can never be sent
    /// otherwise, [`SendError::Transient`] when it may be later.
    pub async fn send(&self, key: &VapidKey, to: &PushAddress, push: &Push) -> Result<Receipt, SendError> {
        push.check()?;
        match to {
            PushAddress::Web(subscription) => self.send_web(key, subscription, push).await,
            PushAddress::Fcm(token) => self.send_fcm(token, push).await,
        }
    }

    async fn send_web(&self, key: &VapidKey, to: &Subscription, push: &Push) -> Result<Receipt, SendError> {
        let sending = Sending {
            key,
            contact: self.0.contact.as_deref(),
            clock: &self.0.clock,
            timeout: self.0.config.timeout.0,
        };
        let origin = to.origin();
        let work = web::send(&self.0.outbound, &sending, to, push);
        let id = self.0.breakers.run(&origin, work).await?;
        let provider = origin.rsplit("//").next().unwrap_or_default().to_owned();
        Ok(Receipt { provider, id })
    }

    async fn send_fcm(&self, token: &str, push: &Push) -> Result<Receipt, SendError> {
        let Some(fcm) = &self.0.fcm else {
            let words = "push.fcm_service_account is not set, so that phones get no messages";
            return Err(SendError::Config(words.to_owned()));
        };
        if token.is_empty() || token.len() > TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SendError::Gone("it is not the token of a phone".to_owned()));
        }
        let work = fcm.send(&self.0.outbound, token, push);
        let id = self.0.breakers.run("fcm", work).await?;
        Ok(Receipt {
            provider: "fcm".to_owned(),
            id,
        })
    }
}
