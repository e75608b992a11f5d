//! Whose things are: a person's or an organization's.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{OrganizationId, UserId};

/// Whose a thing is. A table of owned things has it as `owner_kind, owner_id`, the key of its events is its text: `user:<id>` or
/// `organization:<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Owner {
    /// A person's.
    User(UserId),
    /// An organization's.
    Organization(OrganizationId),
}

impl Owner {
    /// `owner_kind`: `user` or `organization`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Organization(_) => "organization",
        }
    }

    /// `owner_id`.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        match self {
            Self::User(id) => id.uuid(),
            Self::Organization(id) => id.uuid(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.uuid())
    }
}

/// As it is written: `user:<id>` or `organization:<id>`.
impl FromStr for Owner {
    type Err = NotAnOwner;

    fn from_str(text: &str) -> Result<Self, NotAnOwner> {
        let owner = match text.split_once(':') {
            Some(("user", id)) => id.parse().map(Self::User).ok(),
            Some(("organization", id)) => id.parse().map(Self::Organization).ok(),
            _ => None,
        };
        owner.ok_or(NotAnOwner)
    }
}

/// A text names no owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an owner is written user:<id> or organization:<id>")]
pub struct NotAnOwner;

impl utoipa::PartialSchema for Owner {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let kind = utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(["user", "organization"]));
        utoipa::openapi::ObjectBuilder::new()
            .property("kind", kind)
            .property("id", UserId::schema())
            .required("kind")
            .required("id")
            .into()
    }
}
impl utoipa::ToSchema for Owner {}

impl From<UserId> for Owner {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

impl From<OrganizationId> for Owner {
    fn from(id: OrganizationId) -> Self {
        Self::Organization(id)
    }
}

/// What a member is in an organization. Each permission says which roles hold it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationRole {
    /// Sees what guests are shown.
    Guest,
    /// Works with the organization's things.
    Member,
    /// Manages members, invitations and API keys.
    Admin,
    /// May do everything, also delete the organization and hand it over.
    Owner,
}

impl OrganizationRole {
    /// All roles, the least first.
    pub const ALL: [Self; 4] = [Self::Guest, Self::Member, Self::Admin, Self::Owner];

    /// Its name: `guest`, `member`, `admin` or `owner`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// That somebody is a member of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Of which.
    pub organization_id: OrganizationId,
    /// As what.
    pub role: OrganizationRole,
}

/// The organizations that somebody is a member of, as far as their credentials say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memberships {
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Membership>,
    /// Whether there are more, which have to be asked of auth.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

impl Memberships {
    /// Memberships that fit into an access token.
    pub const LISTED_MAX: usize = 20;

    /// All of them.
    #[must_use]
    pub const fn all(listed: Vec<Membership>) -> Self {
        Self { listed, more: false }
    }

    /// The role in an organization; none where it is not listed.
    #[must_use]
    pub fn role_in(&self, organization: OrganizationId) -> Option<OrganizationRole> {
        let mut listed = self.listed.iter();
        listed
            .find(|membership| membership.organization_id == organization)
            .map(|membership| membership.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Id};

    #[test]
    fn an_owner_is_written_by_kind_and_id() {
        let owner = Owner::from(UserId::from_uuid(Uuid::nil()));
        assert_eq!(owner.to_string(), format!("user:{}", Uuid::nil()));
        let json = serde_json::json!({ "kind": "user", "id": Uuid::nil() });
        assert_eq!(serde_json::to_value(owner).unwrap(), json);
        assert_eq!(serde_json::from_value::<Owner>(json).unwrap(), owner);
        assert_eq!(owner.to_string().parse::<Owner>().unwrap(), owner);
        for wrong in ["", "user", "user:", "role:admin", "users:x", "organization:x"] {
            assert!(wrong.parse::<Owner>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn roles_are_ordered_and_have_names() {
        assert!(OrganizationRole::ALL.is_sorted());
        for role in OrganizationRole::ALL {
            assert_eq!(OrganizationRole::of_name(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert_eq!(OrganizationRole::of_name("Owner"), None);
    }

    #[test]
    fn a_role_is_that_of_the_organization_asked_for() {
        let [one, another] = [(); 2].map(|()| Id::new(&Clock::system()));
        let memberships = Memberships::all(vec![Membership {
            organization_id: one,
            role: OrganizationRole::Admin,
        }]);
        assert_eq!(memberships.role_in(one), Some(OrganizationRole::Admin));
        assert_eq!(memberships.role_in(another), None);
    }
}
