//! Which services a process runs.

use std::{ops::Deref, str::FromStr, sync::Arc};

use stoa_db::Migration;
use stoa_http::openapi::Permission;
use stoa_service::Descriptor;

/// The services. The gateway comes first; it is the edge around the others.
#[rustfmt::skip] // a line each
const SERVICES: &[&Descriptor] = &[
    &stoa_gateway::SERVICE,
    &stoa_auth::SERVICE,
    &stoa_users::SERVICE,
];

/// One service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role(&'static Descriptor);

impl Role {
    pub(crate) const GATEWAY: Self = Self(&stoa_gateway::SERVICE);
    pub(crate) const AUTH: Self = Self(&stoa_auth::SERVICE);

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        SERVICES.iter().copied().map(Self)
    }

    /// The services that keep something: all but the edge around them.
    pub(crate) fn with_database() -> impl Iterator<Item = Self> {
        Self::all().filter(|role| role.has_database())
    }

    pub(crate) const fn name(self) -> &'static str {
        self.0.name
    }

    /// The permissions and scopes that its endpoints ask for.
    pub(crate) fn permissions(self) -> Vec<Permission> {
        stoa_http::openapi::permissions(&(self.openapi)())
    }

    /// The migration sets of its database: the platform's tables, then its own.
    pub(crate) const fn migrations(self) -> [(&'static str, &'static [Migration]); 3] {
        [
            ("events", stoa_events::MIGRATIONS),
            ("audit", stoa_audit::MIGRATIONS),
            (self.0.name, self.0.migrations),
        ]
    }
}

impl Deref for Role {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        self.0
    }
}

impl PartialEq for Role {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// The permissions and scopes that endpoints of any service ask for.
pub(crate) fn permissions() -> Arc<[Permission]> {
    Role::all().flat_map(Role::permissions).collect()
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all().find(|role| role.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            format!(
                "there is no service '{text}'; the services are {}",
                names.join(", ")
            )
        })
    }
}

/// The services that this process runs: all of them unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Roles(Vec<Role>);

impl Roles {
    pub(crate) fn of(only: &[Role]) -> Self {
        Self(
            Role::all()
                .filter(|role| only.is_empty() || only.contains(role))
                .collect(),
        )
    }

    /// The services that run in other processes.
    pub(crate) fn others(&self) -> impl Iterator<Item = Role> {
        Role::with_database().filter(|role| !self.has(*role))
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether requests are passed on to other processes.
    pub(crate) fn passes_on(&self) -> bool {
        self.has(Role::GATEWAY) && self.others().next().is_some()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|role| role.name()).collect()
    }
}
