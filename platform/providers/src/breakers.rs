//! Circuit breakers for providers that are not known before: those whose addresses people give.

use std::sync::Arc;

use moka::sync::Cache;
use stoa_kernel::Clock;

use crate::{
    Cause, SendError,
    breaker::{Breaker, note},
    time::Time,
};

/// Providers that something is remembered of; those that were not needed for longest make way.
const MOST: u64 = 1024;

/// One circuit breaker for each provider of a channel.
pub struct Breakers {
    channel: &'static str,
    known: Cache<String, Arc<Breaker>>,
    time: Time,
}

impl Breakers {
    /// Of providers of `channel`, such as `push`.
    #[must_use]
    pub fn new(channel: &'static str, clock: Clock) -> Self {
        Self {
            channel,
            known: Cache::new(MOST),
            time: Time::of(clock),
        }
    }

    /// Runs one attempt to send through `provider`, unless it is being left alone.
    ///
    /// # Errors
    /// Those of the attempt; or [`SendError::Transient`], with the time after which the provider is tried again.
    pub async fn run(
        &self,
        provider: &str,
        attempt: impl Future<Output = Result<String, SendError>>,
    ) -> Result<String, SendError> {
        let breaker = self.known.get_with_by_ref(provider, Arc::default);
        let pass = breaker
            .enter(self.time.elapsed())
            .map_err(|wait| SendError::Transient {
                why: "the provider asked to be left alone or failed several times in a row".to_owned(),
                retry_after: Some(wait),
                cause: Cause::Provider,
            })?;
        let outcome = attempt.await;
        note(self.channel, provider, pass, self.time.elapsed(), &outcome);
        outcome
    }
}
