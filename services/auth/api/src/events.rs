//! What auth tells the others.

use serde::{Deserialize, Serialize};
use stoa_events::Event;
use stoa_kernel::{OrganizationId, OrganizationRole, SessionId, Timestamp, UserId};

/// An account was made.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "user.registered", key = "user:{user_id}")]
pub struct UserRegistered {
    /// The new account.
    pub user_id: UserId,
    /// Its address.
    #[event(example = "ada@example.com")]
    pub email: String,
    /// As given at registration.
    #[event(example = "Ada")]
    pub first_name: Option<String>,
    /// As given at registration.
    #[event(example = "Lovelace")]
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
#[event(name = "session.revoked", key = "user:{user_id}", audience = "internal")]
pub struct SessionRevoked {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
    /// When the last of its access tokens expires.
    pub until: Timestamp,
}

/// All that works for a person without a session was ended, as by a reset of the password: somebody else may have set it up. Services
/// end what they have of that kind.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "credentials.revoked", key = "user:{user_id}", audience = "internal")]
pub struct CredentialsRevoked {
    /// Whose.
    pub user_id: UserId,
}

/// Somebody's roles or memberships have changed: their access tokens of a smaller version are stale from now on.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "access.changed", key = "user:{user_id}", audience = "internal")]
pub struct AccessChanged {
    /// Whose.
    pub user_id: UserId,
    /// The access version that their next token has.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}

/// A role was changed or removed: access tokens that name it in a smaller version are stale from now on.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "role.changed", key = "role:{role}", audience = "internal")]
pub struct RoleChanged {
    /// Its name.
    pub role: String,
    /// Its version in tokens that are signed from now on.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}

/// An organization was deleted or restored: access tokens that name it in a smaller version are stale from now on.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(
    name = "organization.access_changed",
    key = "organization:{organization_id}",
    audience = "internal"
)]
pub struct OrganizationAccessChanged {
    /// Which.
    pub organization_id: OrganizationId,
    /// Its access version in tokens that are signed from now on.
    pub version: i64,
    /// When the last of the older tokens expires.
    pub until: Timestamp,
}

/// An organization was made; its owner follows as `member.added`.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "organization.created", key = "organization:{organization_id}")]
pub struct OrganizationCreated {
    /// The new organization.
    pub organization_id: OrganizationId,
    /// Its name.
    pub name: String,
}

/// What is shown of an organization has changed.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "organization.updated", key = "organization:{organization_id}")]
pub struct OrganizationUpdated {
    /// Which.
    pub organization_id: OrganizationId,
    /// Its name from now on.
    pub name: String,
    /// Where its picture is from now on, below the public address.
    #[serde(default)]
    pub picture_url: Option<String>,
}

/// An organization was deleted, and can still be restored: what it owns is kept, and nobody acts for it.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "organization.deleted", key = "organization:{organization_id}")]
pub struct OrganizationDeleted {
    /// Which.
    pub organization_id: OrganizationId,
    /// Until when it can be restored.
    pub purge_at: Timestamp,
}

/// A deleted organization was restored.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "organization.restored", key = "organization:{organization_id}")]
pub struct OrganizationRestored {
    /// Which.
    pub organization_id: OrganizationId,
}

/// A deleted organization is gone for good: every service erases what it holds of it.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "organization.purged", key = "organization:{organization_id}")]
pub struct OrganizationPurged {
    /// Which.
    pub organization_id: OrganizationId,
}

/// Somebody became a member of an organization.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "member.added", key = "organization:{organization_id}")]
pub struct MemberAdded {
    /// Of which.
    pub organization_id: OrganizationId,
    /// Who.
    pub user_id: UserId,
    /// As what.
    pub role: OrganizationRole,
}

/// A member of an organization has another role.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "member.updated", key = "organization:{organization_id}")]
pub struct MemberUpdated {
    /// Of which.
    pub organization_id: OrganizationId,
    /// Who.
    pub user_id: UserId,
    /// As what from now on.
    pub role: OrganizationRole,
}

/// A membership of an organization has ended.
#[derive(Clone, Debug, Serialize, Deserialize, Event)]
#[event(name = "member.removed", key = "organization:{organization_id}")]
pub struct MemberRemoved {
    /// Of which.
    pub organization_id: OrganizationId,
    /// Who.
    pub user_id: UserId,
}
