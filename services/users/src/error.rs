//! What can go wrong here, and what callers are told of it.

use stoa_auth_api::AccessError;
use stoa_events::JobError;
use stoa_http::{Failure, codes};
use stoa_pictures::PictureError;

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// The person's data was erased.
    PROFILE_ERASED = 404 "profile_erased" "This person's data was erased";
    /// No room for a further preference.
    PREFERENCES_FULL = 409 "preferences_full" "There is no room for a further preference";
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("not found")]
    NotFound,
    #[error("the person's data was erased")]
    Erased,
    #[error("it has another version by now")]
    VersionChanged,
    #[error("there is no room for a further preference")]
    PreferencesFull(u32),
    #[error("{0}")]
    Internal(String),
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(codes::NOT_FOUND),
            Error::Erased => Self::new(PROFILE_ERASED),
            Error::VersionChanged => Self::new(codes::PRECONDITION_FAILED),
            Error::PreferencesFull(max) => Self::new(PREFERENCES_FULL)
                .detail(format!("At most {max} preferences are kept; delete one first.")),
            Error::Picture(error) => error.into(),
            Error::Db(error) => error.into(),
            Error::Internal(_) => Self::internal(error),
            Error::Access(error) => Self::unavailable(error),
        }
    }
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        match error {
            Error::Db(error) => Self::Db(error),
            Error::Picture(error) => error.into(),
            other => Self::Retry(other.to_string()),
        }
    }
}
