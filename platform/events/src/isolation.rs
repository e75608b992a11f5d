//! Jobs that ran whenever the process died run alone, so that it is seen which of them it dies of. Others wait for that, but never for
//! long: what takes its time goes on beside them.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
    time::{Instant, sleep_until, timeout, timeout_at},
};

/// How long nothing else begins before a job that is to run alone: what runs has so long to end.
const CLEARING: Duration = Duration::from_secs(2);
/// How long nothing else begins while it runs.
const ALONE: Duration = Duration::from_secs(3);
/// Others have so many times as long as they were kept waiting.
const SHARE_OF_OTHERS: u32 = 4;

/// Shared by all workers of a process: many jobs at once, or one alone.
#[derive(Clone, Debug, Default)]
pub struct Isolation(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    lock: Arc<RwLock<()>>,
    /// When a job may run alone again.
    next: Mutex<Option<Instant>>,
}

/// The turn of a job that is to run alone.
pub(crate) struct Alone {
    inner: Arc<Inner>,
    /// Since when others wait; none once they do no longer.
    since: Option<Instant>,
    /// None where others went on for too long to be waited for.
    guard: Option<OwnedRwLockWriteGuard<()>>,
}

impl Isolation {
    /// To be held while a job runs beside others.
    pub(crate) async fn among_others(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.0.lock).read_owned().await
    }

    /// The next turn. Nothing else begins from now on, for some seconds at most.
    pub(crate) async fn alone(&self) -> Alone {
        let next = *self.0.next.lock();
        if let Some(next) = next {
            sleep_until(next).await;
        }
        let since = Some(Instant::now());
        let guard = timeout(CLEARING, Arc::clone(&self.0.lock).write_owned()).await;
        Alone {
            inner: Arc::clone(&self.0),
            since,
            guard: guard.ok(),
        }
    }
}

impl Alone {
    /// Runs it, beside others again once it has taken its time.
    pub(crate) async fn run<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = timeout_at(Instant::now() + ALONE, &mut work).await {
            return done;
        }
        self.give_way();
        work.await
    }

    fn give_way(&mut self) {
        self.guard = None;
        if let Some(since) = self.since.take() {
            let now = Instant::now();
            *self.inner.next.lock() = Some(now + (now - since) * SHARE_OF_OTHERS);
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.give_way();
    }
}
