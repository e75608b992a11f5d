//! What can go wrong here, and what callers are told of it.

use stoa_auth_api::AccessError;
use stoa_events::JobError;
use stoa_http::{Code, Failure, codes};
use stoa_objects::ObjectError;

/// The person's data was erased.
pub(crate) const PROFILE_ERASED: Code = Code {
    code: "profile_erased",
    status: 404,
    title: "This person's data was erased",
};
/// No room for a further preference.
pub(crate) const PREFERENCES_FULL: Code = Code {
    code: "preferences_full",
    status: 409,
    title: "There is no room for a further preference",
};
/// More pixels than are accepted.
pub(crate) const IMAGE_TOO_LARGE: Code = Code {
    code: "image_too_large",
    status: 422,
    title: "The image has too many pixels",
};
/// Not an image of the kind that it is said to be.
pub(crate) const IMAGE_UNREADABLE: Code = Code {
    code: "image_unreadable",
    status: 422,
    title: "The image cannot be read",
};

/// The codes that only this service answers with.
pub(crate) const CODES: &[Code] = &[
    PROFILE_ERASED,
    PREFERENCES_FULL,
    IMAGE_TOO_LARGE,
    IMAGE_UNREADABLE,
];

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
    #[error("the image has too many pixels")]
    ImageTooLarge(u32),
    #[error("the image cannot be read: {0}")]
    ImageUnreadable(String),
    #[error("{0}")]
    Busy(&'static str),
    #[error("{0}")]
    Internal(String),
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    #[error(transparent)]
    Object(#[from] ObjectError),
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
            Error::ImageTooLarge(max) => {
                Self::new(IMAGE_TOO_LARGE).detail(format!("At most {max} by {max} pixels are accepted."))
            }
            Error::ImageUnreadable(why) => Self::new(IMAGE_UNREADABLE)
                .detail("The bytes are not a complete PNG, JPEG, WebP or GIF.")
                .cause(why),
            Error::Busy(what) => Self::unavailable(what),
            Error::Db(error) => error.into(),
            Error::Access(error) => Self::unavailable(error),
            Error::Internal(_) | Error::Object(_) => Self::internal(error),
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
