//! Why a picture is not taken, or not there.

use axum::http::{HeaderValue, header};
use stoa_events::JobError;
use stoa_http::{Failure, codes};
use stoa_objects::ObjectError;

/// Why something could not be done with a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// More pixels than are accepted.
    #[error("the image has too many pixels; at most {side} by {side} are accepted, and {area} all together")]
    TooLarge {
        /// The longest side that is accepted, in pixels.
        side: u32,
        /// The pixels that are accepted in this format, all together.
        area: u64,
    },
    /// Not a whole picture of an accepted format.
    #[error("the image cannot be read: {0}")]
    Unreadable(String),
    /// Another picture of this person waits or is decoded.
    #[error("another picture of this person is being decoded")]
    OneAtATime,
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
            PictureError::TooLarge { side, area } => {
                let detail = if area < u64::from(side).pow(2) {
                    format!(
                        "At most {side} by {side} pixels are accepted, and {area} all together in this format."
                    )
                } else {
                    format!("At most {side} by {side} pixels are accepted.")
                };
                Self::new(codes::IMAGE_TOO_LARGE).detail(detail)
            }
            PictureError::OneAtATime => Self::new(codes::RATE_LIMITED)
                .detail("Send one picture at a time: another one of yours is still being read.")
                .header(header::RETRY_AFTER, HeaderValue::from_static("1")),
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
