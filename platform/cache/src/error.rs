//! What can go wrong.

/// Why the cache did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The setting is wrong, or nobody answers there at start.
    #[error("cache.url: {0}")]
    Url(String),
    /// The server that was there does not answer, or answered with an error.
    #[error("the cache does not answer: {0}")]
    Away(String),
    /// A value larger than all that is kept.
    #[error("a value of {0} bytes is larger than the whole cache")]
    TooLarge(usize),
}
