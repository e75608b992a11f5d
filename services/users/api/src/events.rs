//! What users tells others.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stoa_events::Event;
use stoa_kernel::UserId;

/// A person has a profile now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "profile.created", key = "user:{user_id}")]
pub struct ProfileCreated {
    /// The person.
    pub user_id: UserId,
}

/// A profile was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "profile.updated", key = "user:{user_id}")]
pub struct ProfileUpdated {
    /// The person.
    pub user_id: UserId,
    /// Its version now.
    pub version: i64,
    /// Names of the fields that changed.
    pub fields: Vec<String>,
}

/// A preference was set or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "preference.changed", key = "user:{user_id}")]
pub struct PreferenceChanged {
    /// The person.
    pub user_id: UserId,
    /// The preference's key.
    pub key: String,
    /// Whether it is gone now.
    pub deleted: bool,
    /// What it is now, where its meaning is known to everybody: `language`, `timezone`, `theme` and `email_notifications`. What people keep
    /// under keys of their own is nobody else's business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// An avatar was set, replaced or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "avatar.changed", key = "user:{user_id}")]
pub struct AvatarChanged {
    /// The person.
    pub user_id: UserId,
    /// Where it is now; none when it is gone.
    pub avatar_url: Option<String>,
}

/// Everything that users held on a person is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "profile.erased", key = "user:{user_id}")]
pub struct ProfileErased {
    /// The person.
    pub user_id: UserId,
}
