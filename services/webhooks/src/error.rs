//! What can go wrong here, and what callers are told of it.

use std::time::Duration;

use stoa_auth_api::AccessError;
use stoa_events::JobError;
use stoa_http::{Failure, codes};
use stoa_outbound::UrlError;
use stoa_secrets::SecretError;

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// No room for a further endpoint.
    ENDPOINTS_FULL = 409 "webhook_endpoints_full" "There is no room for a further endpoint";
    /// It was rotated too often lately.
    SECRETS_FULL = 409 "webhook_secrets_full" "Too many secrets of this endpoint are in use; wait until one expires";
    /// Nothing is sent to it.
    DISABLED = 409 "webhook_endpoint_disabled" "The endpoint is disabled";
    /// Another replay is not finished.
    REPLAYING = 409 "webhook_replay_running" "A replay of this endpoint is running";
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("not found")]
    NotFound,
    #[error("the owner was erased")]
    Erased,
    #[error("it has another version by now")]
    VersionChanged,
    #[error("there is no room for a further endpoint")]
    Full(u32),
    #[error("too many secrets are in use")]
    SecretsFull,
    #[error("the endpoint is disabled")]
    Disabled,
    #[error("a replay is running")]
    Replaying,
    #[error("the headers are for another server")]
    HeadersNeeded,
    #[error("too often")]
    TooMany(Duration),
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("{0}")]
    Internal(String),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(codes::NOT_FOUND),
            // Their access token is refused as well within a second.
            Error::Erased => Self::new(codes::TOKEN_REVOKED),
            Error::VersionChanged => Self::new(codes::PRECONDITION_FAILED),
            Error::Full(max) => Self::new(ENDPOINTS_FULL)
                .detail(format!("At most {max} endpoints are kept; delete one first.")),
            Error::SecretsFull => Self::new(SECRETS_FULL),
            Error::Disabled => Self::new(DISABLED),
            Error::Replaying => Self::new(REPLAYING),
            Error::TooMany(wait) => Self::new(codes::RATE_LIMITED).retry_after(wait),
            Error::HeadersNeeded => Self::invalid(
                "headers",
                "required",
                "The endpoint has headers that are kept from other servers. Give those for the new one, or {} for none.",
            ),
            Error::Url(why) => Self::invalid("url", "refused", why.to_string()),
            Error::Internal(_) | Error::Secret(_) => Self::internal(error),
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
