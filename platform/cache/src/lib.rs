//! Values with a lifetime, rate limits, locks and hints, kept in this process or in a Redis that several share.
//!
//! Where the cache is shared and its server goes away, limits go on for each process by itself, hints reach this process
//! only, and values and locks fail at once: nothing waits for it. It is used again as soon as it answers.

mod cache;
mod cells;
mod config;
mod error;
mod gcra;
mod key;
mod limiter;
mod lock;
mod messages;
mod redis;
mod time;
mod values;

/// What its metrics tell.
pub const METRICS: &[(&str, &str)] = &[
    (
        "stoa_cache_errors_total",
        "Commands to the shared cache that failed.",
    ),
    (
        "stoa_cache_fallback",
        "1 while the shared cache is away and each process limits by itself, else 0.",
    ),
];

pub use cache::{Cache, CacheHealth};
pub use config::CacheConfig;
pub use error::CacheError;
pub use gcra::Verdict;
pub use key::LimitKey;
pub use limiter::Limiter;
pub use lock::Lock;
pub use messages::{Hearing, Notice};
