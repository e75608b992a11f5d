//! Jobs that ran whenever the process died run alone, so that it is seen which of them it dies of.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Shared by all workers of a process: many jobs at once, or one alone.
#[derive(Clone, Debug, Default)]
pub struct Isolation(Arc<RwLock<()>>);

impl Isolation {
    /// To be held while a job runs beside others.
    pub(crate) async fn among_others(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.0).read_owned().await
    }

    /// To be held while a job runs alone. Waits until what runs has ended; nothing begins meanwhile.
    pub(crate) async fn alone(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.0).write_owned().await
    }
}
