//! Locks that hold across processes.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{PATIENCE, Redis, millis, scripts::Code};
use crate::{
    CacheError,
    lock::{Backend, Lock},
};

/// How long the last token of a key is remembered after its lock: as long as nobody sets the server's clock back by
/// more, tokens grow.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

static TAKE: Code = Code::new(include_str!("lock.lua"));
static RELEASE: Code =
    Code::new("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0");

/// A lock that was taken on the server.
pub(crate) struct HeldThere {
    redis: Arc<Redis>,
    key: String,
    until: Instant,
    released: bool,
}

impl Redis {
    pub(crate) async fn lock(self: &Arc<Self>, key: &str, ttl: Duration) -> Result<Option<Lock>, CacheError> {
        // In braces: what a cluster keeps in one place.
        let key = self.key("lock", &format!("{{{key}}}"));
        let last = format!("{key}:last");
        // Before the server is asked, so that the holder is never the last to know that time is up.
        let until = Instant::now() + ttl;
        let token: u64 = self
            .run("lock", PATIENCE, &TAKE, |command| {
                command
                    .arg(2)
                    .arg(&key)
                    .arg(&last)
                    .arg(millis(ttl))
                    .arg(millis(ttl.saturating_add(REMEMBERED)));
            })
            .await?;
        Ok((token > 0).then(|| {
            let held = HeldThere {
                redis: Arc::clone(self),
                key,
                until,
                released: false,
            };
            Lock::new(token, Backend::Shared(held))
        }))
    }
}

impl HeldThere {
    pub(crate) fn is_fresh(&self) -> bool {
        !self.released && Instant::now() < self.until
    }

    /// What gives the lock back, if it is still this one's; none if that was begun before.
    pub(crate) fn release(&mut self, token: u64) -> Option<impl Future<Output = ()> + Send + 'static> {
        if std::mem::replace(&mut self.released, true) {
            return None;
        }
        let (redis, key) = (Arc::clone(&self.redis), std::mem::take(&mut self.key));
        Some(async move {
            // Where it fails, the lock ends with its lifetime.
            let _: Result<u64, _> = redis
                .run("release", PATIENCE, &RELEASE, |command| {
                    command.arg(1).arg(&key).arg(token);
                })
                .await;
        })
    }
}
