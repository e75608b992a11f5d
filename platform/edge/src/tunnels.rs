//! Connections that have ceased to be HTTP, such as WebSockets.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// All that are open in this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    open: TaskTracker,
    stop: CancellationToken,
}

impl Tunnels {
    /// Drives one to its end, in a task of its own.
    pub fn spawn(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        self.open.spawn(tunnel);
    }

    /// Is cancelled when this process stops. Then a tunnel tells both sides, and ends.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Returns once none is open any more.
    pub(crate) async fn closed(&self) {
        self.open.close();
        self.open.wait().await;
    }

    /// Closes all of them; returns once they are closed.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.closed().await;
    }
}
