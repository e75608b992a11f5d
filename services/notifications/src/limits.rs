//! How often something may be asked for that costs money or reaches people who have not asked for it.

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_kernel::{Rate, UserId, network_of};

use crate::{config::PhoneCodesConfig, error::Error};

/// Callbacks of one address that are not signed by a provider, beyond which nothing is read of it: checking a signature costs time.
pub(crate) const REFUSED_CALLBACKS: Rate = Rate::Limit {
    count: NonZeroU32::MIN.saturating_add(29),
    period: Duration::from_secs(60),
};

/// The limits of codes that are sent to phone numbers.
pub(crate) struct CodeLimits {
    person: Limiter,
    number: Limiter,
    network: Limiter,
    all: Limiter,
}

impl CodeLimits {
    pub(crate) fn new(cache: &Cache, config: &PhoneCodesConfig) -> Self {
        Self {
            person: cache.limiter("notifications.codes.person", config.per_person),
            number: cache.limiter("notifications.codes.number", config.per_number),
            network: cache.limiter("notifications.codes.network", config.per_network),
            all: cache.limiter("notifications.codes.all", config.in_all),
        }
    }

    /// Counts one more, or, if that is too many by one of the limits, none by any of them: nobody uses up what is another's.
    pub(crate) async fn count(&self, user: UserId, address: IpAddr, number_hash: &[u8]) -> Result<(), Error> {
        let counts = [
            (&self.person, LimitKey::User(user.uuid().into_bytes())),
            (&self.network, LimitKey::Address(network_of(address))),
            (&self.number, LimitKey::hash(&[number_hash])),
            (&self.all, LimitKey::hash(&[])),
        ];
        for (at, (limiter, key)) in counts.iter().enumerate() {
            let verdict = limiter.check(*key).await;
            let Some(refused) = verdict.filter(|verdict| !verdict.allowed) else {
                continue;
            };
            for (limiter, key) in &counts[..at] {
                limiter.give_back(*key).await;
            }
            return Err(Error::TooMany(refused.retry_after.max(Duration::from_secs(1))));
        }
        Ok(())
    }
}
