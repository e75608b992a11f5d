//! Which reads may be answered by a replica, and which have a connection of their own.
//!
//! Only those that somebody has said it of: within a [`scope`], and of what had been committed before a given time. All others, in
//! jobs, in calls between services, in requests that change something, go to the primary. So nothing that decides by what it
//! reads, and no compare-and-set loop, ever reads from before the last commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

/// By how much the clocks of processes and servers may differ: who wrote reads from the primary for so long at least.
pub const SKEW: Duration = Duration::from_secs(5);
/// A replica further behind than this is not read from at all.
pub const MOST_LAG: Duration = Duration::from_secs(30);
/// How long somebody's last write must be remembered: after that no replica that is still read from can lack it.
pub const REMEMBER: Duration = Duration::from_secs(60);

tokio::task_local! {
    static SCOPE: Arc<Scope>;
    static VITAL: ();
}

struct Scope {
    since: Timestamp,
    wrote: AtomicBool,
}

/// Runs `work`, whose reads a replica may answer if it has all that was committed before `since`, by any clock. Returns also
/// whether a transaction was begun meanwhile; from then on the rest of the reads went to the primary.
pub async fn scope<F: Future>(since: Timestamp, work: F) -> (F::Output, bool) {
    let scope = Arc::new(Scope {
        since,
        wrote: AtomicBool::new(false),
    });
    let output = SCOPE.scope(Arc::clone(&scope), work).await;
    (output, scope.wrote.load(Ordering::Relaxed))
}

/// Runs `work`, whose reads must be answered whatever else is asked: whether this process is well, which sessions were revoked.
/// On PostgreSQL they have a connection of their own.
pub async fn vital<F: Future>(work: F) -> F::Output {
    VITAL.scope((), work).await
}

pub(crate) fn is_vital() -> bool {
    VITAL.try_with(|()| ()).is_ok()
}

/// What a replica must have to answer now; none where only the primary will do.
pub(crate) fn since() -> Option<Timestamp> {
    SCOPE
        .try_with(|scope| (!scope.wrote.load(Ordering::Relaxed)).then_some(scope.since))
        .ok()
        .flatten()
}

/// From now on only the primary will do.
pub(crate) fn wrote() {
    let _ = SCOPE.try_with(|scope| scope.wrote.store(true, Ordering::Relaxed));
}
