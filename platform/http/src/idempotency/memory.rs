//! Where keys and answers are kept: in this process, and where the cache is shared, there as well.
//!
//! So a request that is repeated at the process that did it is known there, whatever has become of the shared cache since, and
//! one that comes while the shared cache is away is done nonetheless.

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use stoa_cache::{Cache, CacheError};

use super::{
    quota::Quotas,
    sender::{Hash, Sender},
};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long a request may run before another one with its key is let through.
const RUNNING: Duration = Duration::from_secs(120);

pub(super) struct Memory {
    here: Cache,
    /// None when nobody shares the cache.
    shared: Option<Cache>,
    signed_in: Mutex<Quotas>,
    anonymous: Mutex<Quotas>,
}

/// What became of an attempt to be the first with a key.
pub(super) enum Begun {
    /// This is the first, and does the work.
    First,
    /// Another was; with what it left, unless that is gone since.
    Later(Option<Bytes>),
}

impl Memory {
    /// Answers take up three quarters of the cache at most, those to anonymous callers one.
    pub(super) fn new(cache: Cache) -> Self {
        let capacity = cache.capacity();
        Self {
            here: cache.here(),
            shared: cache.is_shared().then_some(cache),
            signed_in: Mutex::new(Quotas::new(capacity / 2)),
            anonymous: Mutex::new(Quotas::new(capacity / 4)),
        }
    }

    /// Leaves `mark` under the key, if nobody was here before.
    ///
    /// # Errors
    /// When it is known that somebody was, and not what came of it.
    pub(super) async fn begin(&self, key: &Hash, mark: Bytes) -> Result<Begun, CacheError> {
        let key = &name(key);
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

    /// Keeps the answer of the first, as far as its sender's quota goes; one that is too large is forgotten with its key.
    pub(super) async fn keep(&self, sender: &Sender, answer: Bytes) -> Result<(), CacheError> {
        let quotas = match sender.principal {
            Some(_) => &self.signed_in,
            None => &self.anonymous,
        };
        let gone = quotas.lock().add(sender.owner, sender.key, answer.len());
        let Some(gone) = gone else {
            return self.forget(&sender.key).await;
        };
        let key = &name(&sender.key);
        self.here.set(key, answer.clone(), KEPT).await?;
        if let Some(shared) = &self.shared {
            shared.set(key, answer, KEPT).await?;
        }
        for key in gone {
            self.forget(&key).await?;
        }
        Ok(())
    }

    /// Lets the next one with the key be the first.
    pub(super) async fn forget(&self, key: &Hash) -> Result<(), CacheError> {
        let key = &name(key);
        self.here.remove(key).await?;
        match &self.shared {
            Some(shared) => shared.remove(key).await,
            None => Ok(()),
        }
    }
}

/// As it stands in the cache.
fn name(key: &Hash) -> String {
    format!("idempotency:{}", hex::encode(key))
}
