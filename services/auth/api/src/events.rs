//! What auth tells the others.

use serde::{Deserialize, Serialize};
use stoa_events::Event;
use stoa_kernel::{SessionId, Timestamp, UserId};

/// An account was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl Event for UserRegistered {
    const NAME: &'static str = "user.registered";

    fn key(&self) -> String {
        format!("user:{}", self.user_id)
    }
}

/// An account is to be forgotten: every service erases what it holds on the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserErased {
    /// The account that is gone.
    pub user_id: UserId,
}

impl Event for UserErased {
    const NAME: &'static str = "user.erased";

    fn key(&self) -> String {
        format!("user:{}", self.user_id)
    }
}

/// A sign-in was ended: its access tokens are refused from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionRevoked {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
    /// When the last of its access tokens expires.
    pub until: Timestamp,
}

impl Event for SessionRevoked {
    const NAME: &'static str = "session.revoked";

    fn key(&self) -> String {
        format!("user:{}", self.user_id)
    }
}

/// Somebody's roles have changed: their access tokens of a smaller version are stale from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccessChanged {
    /// Whose.
    pub user_id: UserId,
    /// The access version that their next token has.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}

impl Event for AccessChanged {
    const NAME: &'static str = "access.changed";

    fn key(&self) -> String {
        format!("user:{}", self.user_id)
    }
}

/// A role was changed or removed: access tokens that name it in a smaller version are stale from now on, whoever has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleChanged {
    /// Its name.
    pub role: String,
    /// Its version in tokens that are signed from now on.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}

impl Event for RoleChanged {
    const NAME: &'static str = "role.changed";

    fn key(&self) -> String {
        format!("role:{}", self.role)
    }
}
