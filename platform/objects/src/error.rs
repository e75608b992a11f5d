//! What can go wrong.

use std::{error::Error, io};

use crate::s3::in_words;

/// Why an object could not be had or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Nothing is kept under the key.
    #[error("no such object")]
    NotFound,
    /// The text cannot be a key.
    #[error("'{0}' is not an object's key")]
    Key(String),
    /// The settings of the store are wrong, or nobody answers there.
    #[error("objects.url: {0}")]
    Settings(String),
    /// What was to be kept could not be read to its end.
    #[error("what was to be kept broke off: {0}")]
    Body(Box<dyn Error + Send + Sync>),
    /// The store itself failed: a full disk, missing rights, no connection.
    #[error("the object store failed: {0}")]
    Store(String),
}

impl From<object_store::Error> for ObjectError {
    fn from(error: object_store::Error) -> Self {
        match &error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other if goes_through_a_file(other) => Self::NotFound,
            other => Self::Store(in_words(other)),
        }
    }
}

/// A key below one that is itself an object, such as `a/b` beside `a`: in a folder, looking there is an error of its own.
fn goes_through_a_file(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::NotADirectory)
}

/// The message, and of its causes' messages those that say something new.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&error| error.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
