//! Finds jobs whose holder has died.

use std::{collections::HashMap, time::Duration};

use stoa_db::{Db, Error};
use tokio::time::Instant;

use crate::{
    EventId,
    store::{self, Holding},
};

/// What is held, and since when it has not changed. A holder counts as dead when its job has not changed for a whole lease by our
/// own monotonic clock: so it does not matter how far apart the clocks of two machines are, nor where one of them jumps.
pub(crate) struct Watch {
    lease: Duration,
    seen: HashMap<(String, EventId), (Holding, Instant)>,
    looked: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            lease,
            seen: HashMap::new(),
            looked: None,
        }
    }

    /// Whether it is time to look again: some times in each lease.
    pub(crate) fn is_due(&self) -> bool {
        self.looked.is_none_or(|at| at.elapsed() >= self.lease / 8)
    }

    /// Takes jobs from holders that have died. Returns how many.
    pub(crate) async fn look(&mut self, db: &Db) -> Result<u64, Error> {
        let now = Instant::now();
        self.looked = Some(now);
        let mut before = std::mem::take(&mut self.seen);
        let mut lost = Vec::new();
        for holding in store::running(db).await? {
            let key = (holding.queue.clone(), holding.id);
            let since = match before.remove(&key) {
                Some((last, since)) if last == holding => since,
                _ => now,
            };
            if now.duration_since(since) >= self.lease {
                lost.push(holding);
            } else {
                self.seen.insert(key, (holding, since));
            }
        }
        if lost.is_empty() {
            return Ok(0);
        }
        let released = store::release_lost(db, &lost).await?;
        tracing::warn!(
            service = db.service(),
            jobs = released,
            "jobs were held by a process that died; they will run again"
        );
        Ok(released)
    }
}
