//! Where keys and answers are kept: in this process, and where the cache is shared, there as well.
//!
//! So a request that is repeated at the process that did it is known there, whatever has become of the shared cache since, and
//! one that comes while the shared cache is away is done nonetheless.

use std::time::Duration;

use bytes::Bytes;
use stoa_cache::{Cache, CacheError};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long a request may run before another one with its key is let through.
const RUNNING: Duration = Duration::from_secs(120);

pub(super) struct Memory {
    here: Cache,
    /// None when nobody shares the cache.
    shared: Option<Cache>,
}

/// What became of an attempt to be the first with a key.
pub(super) enum Begun {
    /// This is the first, and does the work.
    First,
    /// Another was; with what it left, unless that is gone since.
    Later(Option<Bytes>),
}

impl Memory {
    pub(super) fn new(cache: Cache) -> Self {
        Self {
            here: cache.here(),
            shared: cache.is_shared().then_some(cache),
        }
    }

    /// Leaves `mark` under the key, if nobody was here before.
    ///
    /// # Errors
    /// When it is known that somebody was, and not what came of it.
    pub(super) async fn begin(&self, key: &str, mark: Bytes) -> Result<Begun, CacheError> {
        if !self.here.add(key, mark.clone(), RUNNING).await? {
            return Ok(Begun::Later(self.here.get(key).await?));
        }
        let Some(shared) = &self.shared else {
            return Ok(Begun::First);
        };
        match shared.add(key, mark, RUNNING).await {
            Ok(true) => Ok(Begun::First),
            Ok(false) => {
                // The mark here stands for work of this process only.
                self.here.remove(key).await?;
                Ok(Begun::Later(shared.get(key).await?))
            }
            Err(error) => {
                tracing::warn!(%error, "an Idempotency-Key is known to this process alone");
                Ok(Begun::First)
            }
        }
    }

    /// Keeps the answer of the first.
    pub(super) async fn keep(&self, key: &str, answer: Bytes) -> Result<(), CacheError> {
        self.here.set(key, answer.clone(), KEPT).await?;
        match &self.shared {
            Some(shared) => shared.set(key, answer, KEPT).await,
            None => Ok(()),
        }
    }

    /// Lets the next one with the key be the first.
    pub(super) async fn forget(&self, key: &str) -> Result<(), CacheError> {
        self.here.remove(key).await?;
        match &self.shared {
            Some(shared) => shared.remove(key).await,
            None => Ok(()),
        }
    }
}
