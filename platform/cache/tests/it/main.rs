//! The local cache through its public surface.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod limits;
mod locks;
mod values;

use std::time::Duration;

use stoa_cache::Cache;
use stoa_kernel::Clock;

const MINUTE: Duration = Duration::from_secs(60);

/// A cache whose clock the test moves.
fn moved() -> (Cache, Clock) {
    let clock = Clock::adjustable();
    (Cache::local_with_clock(1 << 20, clock.clone()), clock)
}
