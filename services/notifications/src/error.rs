//! What can go wrong here, and what callers are told of it.

use std::time::Duration;

use stoa_auth_api::AccessError;
use stoa_events::JobError;
use stoa_http::{Code, Failure, codes};
use stoa_secrets::SecretError;

use crate::texts::Broken;

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// It was sent, or is cancelled already.
    NOTIFICATION_OVER = 409 "notification_over" "The notification can no longer be cancelled";
    /// Texts of this type hold links that open an account, or addresses of people: they are those of the program.
    TEMPLATE_FIXED = 409 "template_fixed" "The texts of this type cannot be changed";
    /// A text in this language came with the program.
    TEMPLATE_NEEDED = 409 "template_needed" "A text that came with the program cannot be withdrawn";
    /// No room for a further topic.
    TOPICS_FULL = 409 "topics_full" "You follow as many topics as you can";
    /// No room for a further browser or phone.
    PUSH_SUBSCRIPTIONS_FULL = 409 "push_subscriptions_full" "You have as many push subscriptions as you can";
    /// None was sent, or it has expired.
    PHONE_CODE_EXPIRED = 409 "phone_code_expired" "No code is waited for; set the number again";
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("not found")]
    NotFound,
    #[error("the person was erased")]
    Erased,
    #[error("it was sent or cancelled already")]
    Over,
    #[error("the idempotency key came with another request before")]
    KeyReused,
    /// A field, a code and what is wrong.
    #[error("{0}: {2}")]
    Field(&'static str, &'static str, String),
    /// The same of an item of a list.
    #[error("{0}[{1}]: {3}")]
    Item(&'static str, usize, &'static str, String),
    /// The same of something within the data of a notification.
    #[error("{0}: {2}")]
    Data(String, &'static str, String),
    #[error("the template is broken: {0}")]
    Template(Broken),
    #[error("no room for a further topic")]
    TopicsFull(u32),
    #[error("no room for a further push subscription")]
    PushFull(u32),
    #[error("no service of this process sends notifications of type {0}; another, newer one may")]
    UnknownType(String),
    #[error("{0}")]
    Internal(&'static str),
    #[error("no code is waited for")]
    NoPhoneCode,
    #[error("too often")]
    TooMany(Duration),
    #[error("{}", .0.title)]
    Code(Code),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::Code(code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(codes::NOT_FOUND),
            // Their access token is refused as well within a second.
            Error::Erased => Self::new(codes::TOKEN_REVOKED),
            Error::Over => Self::new(NOTIFICATION_OVER),
            Error::KeyReused => Self::new(codes::IDEMPOTENCY_KEY_REUSED),
            Error::Field(field, code, message) => Self::invalid(field, code, message),
            Error::Item(list, at, code, message) => Self::invalid(format!("{list}[{at}]"), code, message),
            Error::Data(field, code, message) => Self::invalid(field, code, message),
            Error::Template(Broken { part, line, message }) => {
                Self::invalid(part, "broken_template", format!("Line {line}: {message}"))
            }
            Error::TopicsFull(max) => Self::new(TOPICS_FULL)
                .detail(format!("At most {max} topics are followed; unfollow one first.")),
            Error::PushFull(max) => Self::new(PUSH_SUBSCRIPTIONS_FULL).detail(format!(
                "At most {max} browsers and phones are kept; delete one first."
            )),
            Error::Internal(_) | Error::UnknownType(_) => Self::internal(error),
            Error::NoPhoneCode => Self::new(PHONE_CODE_EXPIRED),
            Error::TooMany(wait) => Self::new(codes::RATE_LIMITED).retry_after(wait),
            Error::Code(code) => Self::new(code),
            Error::Secret(error) => Self::internal(error),
            Error::Db(error) => error.into(),
            Error::Access(error) => Self::unavailable(error),
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
