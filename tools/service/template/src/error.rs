//! What can go wrong here, and what callers are told of it.

use stoa_events::JobError;
use stoa_http::{Failure, codes};

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// No room for a further item.
    ITEMS_FULL = 409 "items_full" "There is no room for a further item";
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no room for a further item")]
    Full(u32),
    #[error("the owner was erased")]
    Erased,
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Full(max) => Self::new(ITEMS_FULL).detail(format!("At most {max} items are kept; delete one first.")),
            // Their access token is refused as well within a second.
            Error::Erased => Self::new(codes::TOKEN_REVOKED),
            Error::Db(error) => error.into(),
        }
    }
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => Self::Db(error),
            other => Self::Retry(other.to_string()),
        }
    }
}
