//! What every handler, job and subscription of this service is given.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use stoa_auth_api::{Contacts, Mails};
use stoa_cache::Limiter;
use stoa_db::Db;
use stoa_kernel::Clock;
use stoa_mail::Mailer;
use stoa_push::{PushSender, VapidKey};
use stoa_secrets::Secrets;
use stoa_service::Env;
use stoa_sms::SmsSender;

use crate::{
    NotificationsConfig,
    keyed::Keyed,
    limits::{CodeLimits, REFUSED_CALLBACKS},
    texts::Renderer,
    types::Types,
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) mailer: Mailer,
    pub(crate) sms: SmsSender,
    pub(crate) push: PushSender,
    /// The key by which push services know this installation, once it was needed.
    pub(crate) vapid: OnceLock<VapidKey>,
    /// Seals phone numbers and push subscriptions.
    pub(crate) secrets: Secrets,
    /// Hashes them.
    pub(crate) keyed: Keyed,
    /// Requests for callbacks that were refused, by address.
    pub(crate) refused_callbacks: Limiter,
    /// Codes that are sent to phone numbers.
    pub(crate) codes: CodeLimits,
    /// How people can be reached.
    pub(crate) contacts: Contacts,
    /// What mails say beside the data of their notifications.
    pub(crate) mails: Mails,
    pub(crate) types: Types,
    pub(crate) texts: Renderer,
    /// Without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) product_name: String,
    pub(crate) config: NotificationsConfig,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: NotificationsConfig) -> Result<Self, String> {
        config.check()?;
        Ok(Self(Arc::new(Parts {
            types: Types::new(&env.notifications)?,
            texts: Renderer::new()?,
            contacts: Contacts::new(&env.rpc),
            keyed: Keyed::new(&env.secrets),
            refused_callbacks: env.cache.limiter("notifications.callbacks", REFUSED_CALLBACKS),
            codes: CodeLimits::new(&env.cache, &config.phone_codes),
            mails: Mails::new(&env.rpc),
            db: env.db,
            clock: env.clock,
            mailer: env.mailer,
            sms: env.sms,
            push: env.push,
            vapid: OnceLock::new(),
            secrets: env.secrets,
            public_url: env.public_url,
            product_name: env.product_name,
            config,
        })))
    }
}

impl Deref for Ctx {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
