//! The time between the wish to stop and the stop.

use tokio_util::sync::CancellationToken;

/// Whether this process is about to stop. Handed to the pages and the edge: from its beginning on `/health/ready` says 503,
/// and each HTTP/1 answer closes its connection. A load balancer goes elsewhere while all that come are still
/// served; after a few seconds the listener can be closed without anybody noticing.
#[derive(Clone, Debug, Default)]
pub struct Draining(CancellationToken);

impl Draining {
    /// That which is cancelled when it begins.
    #[must_use]
    pub const fn of(begun: CancellationToken) -> Self {
        Self(begun)
    }

    /// Nothing new is wanted from now on.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }
}
