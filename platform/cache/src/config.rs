//! Section `[cache]`.

use std::fmt;

use serde::Deserialize;
use stoa_kernel::Period;

use crate::{CacheError, redis};

/// Where the cache is, and how much of it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Most that values kept in this process take up, in MiB.
    pub max_mib: u64,
    /// Empty: in this process. Else `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://`.
    pub url: String,
    /// What every key begins with, so that installations can share a server.
    pub prefix: String,
    /// How long a request waits to be counted by the server, before this process counts it by itself.
    pub limit_timeout: Period,
}

impl CacheConfig {
    /// Refuses an address at which no server can be, without trying it.
    ///
    /// # Errors
    /// [`CacheError::Url`].
    pub fn check(&self) -> Result<(), CacheError> {
        if self.url.is_empty() {
            return Ok(());
        }
        redis::check(&self.url)
    }
}

/// Without the URL, which may have a password in it.
impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig")
            .field("max_mib", &self.max_mib)
            .field("shared", &!self.url.is_empty())
            .field("prefix", &self.prefix)
            .field("limit_timeout", &self.limit_timeout)
            .finish_non_exhaustive()
    }
}
