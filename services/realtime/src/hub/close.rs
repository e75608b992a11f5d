//! Why connections are closed.

use serde::Serialize;
use stoa_http::{Code, codes};

/// A reason, as clients are given it. `docs/asyncapi.yaml` and `docs/realtime.md` list the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CloseReason {
    /// Of WebSocket: with 4000 to 4499 clients come back by themselves, with 4500 to 4999 they do not.
    pub code: u16,
    /// Never changes.
    pub name: &'static str,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal;)*) => {
        impl CloseReason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            $($(#[$doc])* const $name: Self = Self { code: $code, name: $text };)*
        }
    };
}

reasons! {
    /// The process stops.
    SHUTDOWN = 4000 "shutdown";
    /// The client does not read what it is sent.
    SLOW_CONSUMER = 4001 "slow_consumer";
    /// The client gives no sign of life.
    HEARTBEAT_TIMEOUT = 4002 "heartbeat_timeout";
    /// A fresh token is needed.
    TOKEN_EXPIRED = 4003 "token_expired";
    /// Roles or memberships have changed: a fresh token is needed.
    TOKEN_STALE = 4004 "token_stale";
    /// The user has as many connections as one may have.
    TOO_MANY_CONNECTIONS = 4005 "too_many_connections";
    /// The session has ended.
    TOKEN_REVOKED = 4500 "token_revoked";
    /// The credentials are not valid.
    UNAUTHENTICATED = 4501 "unauthenticated";
    /// The client has not said in time who it is.
    CONNECT_TIMEOUT = 4502 "connect_timeout";
}

/// Why a connection is closed, and when its client is to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) reason: CloseReason,
    /// None: not by itself.
    pub(crate) reconnect_after_ms: Option<u64>,
}

impl Close {
    const fn new(reason: CloseReason, after_ms: u64) -> Self {
        Self {
            reason,
            reconnect_after_ms: if reason.code < 4500 { Some(after_ms) } else { None },
        }
    }

    pub(crate) const fn shutdown(after_ms: u64) -> Self {
        Self::new(CloseReason::SHUTDOWN, after_ms)
    }

    pub(crate) const fn slow_consumer() -> Self {
        Self::new(CloseReason::SLOW_CONSUMER, 1000)
    }

    pub(crate) const fn heartbeat() -> Self {
        Self::new(CloseReason::HEARTBEAT_TIMEOUT, 0)
    }

    /// A token that was refused with this code.
    pub(crate) fn token(code: Code, after_ms: u64) -> Self {
        let reason = match code {
            codes::TOKEN_EXPIRED => CloseReason::TOKEN_EXPIRED,
            codes::TOKEN_STALE => CloseReason::TOKEN_STALE,
            codes::TOKEN_REVOKED => CloseReason::TOKEN_REVOKED,
            _ => CloseReason::UNAUTHENTICATED,
        };
        Self::new(reason, after_ms)
    }

    pub(crate) const fn too_many_connections() -> Self {
        Self::new(CloseReason::TOO_MANY_CONNECTIONS, 30_000)
    }

    pub(crate) const fn connect_timeout() -> Self {
        Self::new(CloseReason::CONNECT_TIMEOUT, 0)
    }
}
