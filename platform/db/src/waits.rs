//! How long transactions wait until they may begin: for a connection, or for their turn to write.

use metrics::Histogram;
use tokio::time::Instant;

/// The waits of one database.
pub(crate) struct Waits(Histogram);

impl Waits {
    pub(crate) fn new(service: &str) -> Self {
        Self(metrics::histogram!("stoa_db_pool_wait_seconds", "service" => service.to_owned()))
    }

    /// A transaction that had no need to wait: no clock is looked at for it.
    pub(crate) fn none(&self) {
        self.0.record(0.0);
    }

    /// One that waits from now on until this is dropped, in vain or not.
    pub(crate) fn begin(&self) -> Wait<'_> {
        Wait {
            waits: self,
            begun: Instant::now(),
        }
    }
}

/// A wait that goes on.
pub(crate) struct Wait<'a> {
    waits: &'a Waits,
    begun: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waits.0.record(self.begun.elapsed().as_secs_f64());
    }
}
