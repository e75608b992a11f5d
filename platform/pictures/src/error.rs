//! Why a picture is not taken, or not there.

use stoa_events::JobError;
use stoa_http::{Failure, codes};
use stoa_objects::ObjectError;

/// Why something could not be done with a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// More pixels than are accepted.
    #[error("the image has too many pixels; at most {0} by {0} are accepted")]
    TooLarge(u32),
    /// Not a whole picture of an accepted format.
    #[error("the image cannot be read: {0}")]
    Unreadable(String),
    /// It may go better in a moment.
    #[error("{0}")]
    Busy(&'static str),
    /// Ours.
    #[error("{0}")]
    Internal(String),
    /// What the database says.
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    /// What the object store says.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::TooLarge(max) => Self::new(codes::IMAGE_TOO_LARGE)
                .detail(format!("At most {max} by {max} pixels are accepted.")),
            PictureError::Unreadable(why) => Self::new(codes::IMAGE_UNREADABLE)
                .detail("The bytes are not a complete PNG, JPEG, WebP or GIF.")
                .cause(why),
            PictureError::Busy(what) => Self::unavailable(what),
            PictureError::Db(error) => error.into(),
            PictureError::Object(ObjectError::NotFound) => Self::new(codes::NOT_FOUND),
            PictureError::Internal(_) | PictureError::Object(_) => Self::internal(error),
        }
    }
}

impl From<PictureError> for JobError {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Db(error) => Self::Db(error),
            other => Self::Retry(other.to_string()),
        }
    }
}
