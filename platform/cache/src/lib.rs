//! Values with a lifetime, rate limits and locks, kept in this process.
//!
//! The API is async where an engine outside the process would have to be asked. Limiters are sync: they are asked on
//! every request, and an answer takes no longer than a look into a map.

mod cache;
mod limiter;
mod lock;
mod time;
mod values;

pub use cache::{Cache, CacheError};
pub use limiter::{LimitKey, Limiter, Verdict, uuid_bytes};
pub use lock::Lock;
