//! What auth tells the others.

use serde::{Deserialize, Serialize};
use stoa_events::Event;
use stoa_kernel::{SessionId, Timestamp, UserId};

/// An account was made.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "user.registered", key = "user:{user_id}")]
pub struct UserRegistered {
    /// The new account.
    pub user_id: UserId,
    /// Its address.
    pub email: String,
    /// As given at registration.
    pub first_name: Option<String>,
    /// As given at registration.
    pub last_name: Option<String>,
}

/// An account is to be forgotten: every service erases what it holds on the person.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "user.erased", key = "user:{user_id}")]
pub struct UserErased {
    /// The account that is gone.
    pub user_id: UserId,
}

/// A sign-in was ended: its access tokens are refused from now on.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "session.revoked", key = "user:{user_id}")]
pub struct SessionRevoked {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
    /// When the last of its access tokens expires.
    pub until: Timestamp,
}

/// Somebody's roles have changed: their access tokens of a smaller version are stale from now on.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "access.changed", key = "user:{user_id}")]
pub struct AccessChanged {
    /// Whose.
    pub user_id: UserId,
    /// The access version that their next token has.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}

/// A role was changed or removed: access tokens that name it in a smaller version are stale from now on, whoever has it.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "role.changed", key = "role:{role}")]
pub struct RoleChanged {
    /// Its name.
    pub role: String,
    /// Its version in tokens that are signed from now on.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}
