//! What can go wrong here, and what callers are told of it.

use stoa_auth_api::AccessError;
use stoa_events::{ChannelPublished, JobError};
use stoa_http::{Failure, codes};

stoa_kernel::codes! {
    /// The codes that only this service answers with.
    pub(crate) const CODES;

    /// A request without an upgrade to WebSocket.
    UPGRADE_REQUIRED = 426 "upgrade_required" "This address speaks WebSocket";
    /// The ticket is none, was used, or its time is over.
    TICKET_INVALID = 401 "ticket_invalid" "The ticket is not valid any more";
    /// No client may publish to this channel.
    CHANNEL_READ_ONLY = 403 "channel_read_only" "Only services publish to this channel";
    /// Nobody's presence is kept on this channel.
    PRESENCE_NOT_KEPT = 409 "presence_not_kept" "It is not kept who is on this channel";
    /// The person was erased, or the organization is gone.
    CHANNEL_CLOSED = 410 "channel_closed" "Nothing is published to this channel any more";
    /// The connection follows this channel already.
    ALREADY_SUBSCRIBED = 409 "already_subscribed" "You are subscribed to this channel";
    /// The connection does not follow this channel.
    NOT_SUBSCRIBED = 409 "not_subscribed" "You are not subscribed to this channel";
    /// The connection has said already who it is.
    ALREADY_CONNECTED = 409 "already_connected" "This connection has signed in already";
    /// The new token is of somebody else.
    OTHER_USER = 409 "other_user" "The token belongs to another user";
    /// Too many connections, or too many channels on one.
    TOO_MANY_CONNECTIONS = 429 "too_many_connections" "There are too many connections";
    /// Too many channels on one connection.
    TOO_MANY_SUBSCRIPTIONS = 429 "too_many_subscriptions" "This connection is subscribed to too many channels";
}

/// Why a use case failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("not found")]
    NotFound,
    #[error("forbidden")]
    Forbidden(&'static str),
    #[error("the role in the organization does not permit it")]
    RoleRequired,
    #[error("only services publish there")]
    ReadOnly,
    #[error("the channel is closed")]
    Closed,
    #[error("the ticket is not valid")]
    TicketInvalid,
    #[error("the data is too large")]
    TooLarge,
    #[error("already subscribed")]
    AlreadySubscribed,
    #[error("not subscribed")]
    NotSubscribed,
    #[error("too many subscriptions")]
    TooManySubscriptions(usize),
    #[error("more is published than can be caught up with")]
    TooBusy,
    #[error(transparent)]
    Db(#[from] stoa_db::Error),
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(codes::NOT_FOUND),
            Error::Forbidden(permission) => {
                Self::new(codes::FORBIDDEN).detail(format!("This needs the permission {permission}."))
            }
            Error::RoleRequired => Self::new(codes::ORGANIZATION_ROLE_REQUIRED),
            Error::ReadOnly => Self::new(CHANNEL_READ_ONLY),
            Error::Closed => Self::new(CHANNEL_CLOSED),
            Error::TicketInvalid => Self::new(TICKET_INVALID),
            Error::TooLarge => Self::invalid(
                "data",
                "too_long",
                format!(
                    "At most {} bytes of JSON are published",
                    ChannelPublished::MAX_DATA_BYTES
                ),
            ),
            Error::AlreadySubscribed => Self::new(ALREADY_SUBSCRIBED),
            Error::NotSubscribed => Self::new(NOT_SUBSCRIBED),
            Error::TooManySubscriptions(most) => Self::new(TOO_MANY_SUBSCRIPTIONS)
                .detail(format!("At most {most} channels are followed by one connection.")),
            Error::TooBusy => Self::unavailable(error),
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
