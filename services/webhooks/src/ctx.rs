//! What every handler, job and subscription of this service is given.

use std::{collections::HashMap, num::NonZeroU32, ops::Deref, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stoa_auth_api::Access;
use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_db::Db;
use stoa_kernel::{Clock, Rate, UserId};
use stoa_outbound::Outbound;
use stoa_secrets::Secrets;
use stoa_service::Env;

use crate::{WebhooksConfig, catalogue::Catalogue, error::Error, events::EndpointId, owner::EndpointOwner};

/// Notices of new destinations that one person causes.
const NOTICES: Rate = Rate::Limit {
    count: NonZeroU32::new(10).unwrap(),
    period: Duration::from_secs(3600),
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    /// Whom a request acts for, and what they may do.
    pub(crate) access: Access,
    pub(crate) outbound: Outbound,
    pub(crate) secrets: Secrets,
    pub(crate) catalogue: Catalogue,
    pub(crate) config: WebhooksConfig,
    cache: Cache,
    tries: Limiter,
    notices: Limiter,
    /// By the rate of endpoints.
    rates: Mutex<HashMap<u32, Limiter>>,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: WebhooksConfig) -> Self {
        Self(Arc::new(Parts {
            access: Access::new(&env.rpc),
            tries: env.cache.limiter("webhooks.tries", config.tries_per_owner),
            notices: env.cache.limiter("webhooks.notices", NOTICES),
            catalogue: Catalogue::new(&env.events),
            rates: Mutex::default(),
            db: env.db,
            clock: env.clock,
            outbound: env.outbound,
            secrets: env.secrets,
            cache: env.cache,
            config,
        }))
    }

    /// Whether owners are notified of one more destination that `user` has set: nobody who has an account can fill mailboxes. Ask before the
    /// transaction begins.
    pub(crate) async fn may_notify(&self, user: UserId) -> bool {
        self.notices
            .allows(LimitKey::User(user.uuid().into_bytes()))
            .await
    }

    /// Takes one of those that the owner may start in a minute.
    pub(crate) async fn count_try(&self, owner: EndpointOwner) -> Result<(), Error> {
        let key = LimitKey::hash(&[owner.kind().as_bytes(), owner.uuid().as_bytes()]);
        match self.tries.check(key).await {
            Some(verdict) if !verdict.allowed => Err(Error::TooMany(verdict.retry_after)),
            _ => Ok(()),
        }
    }

    /// How long a message to an endpoint of this rate has to wait; none if it may go now.
    pub(crate) async fn wait_for_turn(&self, endpoint: EndpointId, rate: u32) -> Option<Duration> {
        let count = NonZeroU32::new(rate)?;
        let limiter = self.limiter(count);
        let verdict = limiter
            .check(LimitKey::hash(&[endpoint.uuid().as_bytes()]))
            .await?;
        (!verdict.allowed).then_some(verdict.retry_after)
    }

    fn limiter(&self, count: NonZeroU32) -> Limiter {
        let period = Duration::from_secs(1);
        let make = || self.cache.limiter("webhooks.rate", Rate::Limit { count, period });
        self.rates.lock().entry(count.get()).or_insert_with(make).clone()
    }
}

impl Deref for Ctx {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
