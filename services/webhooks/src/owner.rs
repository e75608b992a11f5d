//! Whose an endpoint is.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use stoa_kernel::{OrganizationId, Owner, UserId};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};
use uuid::Uuid;

/// A person, an organization, or those who run the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum EndpointOwner {
    /// A person.
    User(UserId),
    /// An organization.
    Organization(OrganizationId),
    /// Those who run the installation. Their endpoints are given the events of everybody.
    Installation,
}

impl EndpointOwner {
    /// `owner_kind`.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Organization(_) => "organization",
            Self::Installation => "installation",
        }
    }

    /// `owner_id`.
    pub(crate) const fn uuid(self) -> Uuid {
        match self {
            Self::User(id) => id.uuid(),
            Self::Organization(id) => id.uuid(),
            Self::Installation => Uuid::nil(),
        }
    }

    /// As it stands in a row; none for a kind that is not known.
    pub(crate) fn of_row(kind: &str, id: Uuid) -> Option<Self> {
        match kind {
            "user" => Some(Self::User(UserId::from_uuid(id))),
            "organization" => Some(Self::Organization(OrganizationId::from_uuid(id))),
            "installation" => Some(Self::Installation),
            _ => None,
        }
    }

    /// The person or organization.
    pub(crate) const fn owner(self) -> Option<Owner> {
        match self {
            Self::User(id) => Some(Owner::User(id)),
            Self::Organization(id) => Some(Owner::Organization(id)),
            Self::Installation => None,
        }
    }
}

impl PartialSchema for EndpointOwner {
    fn schema() -> RefOr<Schema> {
        let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([
            "user",
            "organization",
            "installation",
        ]));
        ObjectBuilder::new()
            .description(Some(
                "A person, an organization, or those who run the installation, who have no id.",
            ))
            .property("kind", kind)
            .property("id", UserId::schema())
            .required("kind")
            .into()
    }
}

impl ToSchema for EndpointOwner {
    fn name() -> Cow<'static, str> {
        "WebhooksOwner".into()
    }
}

impl From<Owner> for EndpointOwner {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::User(id) => Self::User(id),
            Owner::Organization(id) => Self::Organization(id),
        }
    }
}

impl fmt::Display for EndpointOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner() {
            Some(owner) => owner.fmt(f),
            None => f.write_str("installation"),
        }
    }
}
