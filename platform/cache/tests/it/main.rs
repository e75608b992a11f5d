//! The cache through its public surface: what every engine does, what the local one does on top, and what becomes of
//! a Redis that goes away.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod conformance;
mod fixture;
mod hints;
mod local_limits;
mod local_locks;
mod local_values;
mod outage;
mod settings;
mod sharing;

use std::time::Duration;

use stoa_cache::Cache;
use stoa_kernel::Clock;

const MINUTE: Duration = Duration::from_secs(60);

/// A cache whose clock the test moves.
fn moved() -> (Cache, Clock) {
    let clock = Clock::adjustable();
    (Cache::local_with_clock(1 << 20, clock.clone()), clock)
}
