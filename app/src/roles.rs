//! Which services a process runs.

use std::{collections::BTreeSet, str::FromStr};

use stoa_http::{
    Code,
    openapi::{PERMISSION, SCOPE},
};
use utoipa::openapi::OpenApi;

/// One service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Gateway,
    Auth,
    Users,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Auth, Self::Users];

    /// The codes of errors that only this service answers with.
    pub(crate) const fn codes(self) -> &'static [Code] {
        match self {
            Self::Gateway => &[],
            Self::Auth => stoa_auth::CODES,
            Self::Users => stoa_users::CODES,
        }
    }

    /// What its endpoints are, also where it does not run.
    pub(crate) fn description(self) -> OpenApi {
        match self {
            Self::Gateway => OpenApi::default(), // it describes its own pages
            Self::Auth => stoa_auth::description(),
            Self::Users => stoa_users::description(),
        }
    }

    /// The events that it wants to be told of.
    pub(crate) const fn wants(self) -> &'static [&'static str] {
        match self {
            Self::Gateway | Self::Auth => &[],
            Self::Users => stoa_users::WANTS,
        }
    }

    /// Its pages, which the API's description does not list.
    pub(crate) const fn pages(self) -> &'static [&'static str] {
        match self {
            Self::Gateway | Self::Users => &[],
            Self::Auth => stoa_auth::PAGES,
        }
    }

    /// The services that keep something: all but the edge around them.
    pub(crate) fn with_database() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|role| *role != Self::Gateway)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Auth => "auth",
            Self::Users => "users",
        }
    }
}

/// The permissions and scopes that endpoints of any service ask for.
pub(crate) fn permissions() -> Vec<String> {
    let mut names = BTreeSet::new();
    for item in Role::ALL
        .into_iter()
        .flat_map(|role| role.description().paths.paths.into_values())
    {
        let operations = [item.get, item.post, item.put, item.patch, item.delete];
        for extensions in operations
            .into_iter()
            .flatten()
            .filter_map(|operation| operation.extensions)
        {
            let named = [PERMISSION, SCOPE].map(|key| extensions.get(key).and_then(|name| name.as_str()));
            names.extend(named.into_iter().flatten().map(str::to_owned));
        }
    }
    names.into_iter().collect()
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|role| role.name()).collect();
                format!(
                    "there is no service '{text}'; the services are {}",
                    names.join(", ")
                )
            })
    }
}

/// The services that this process runs: all of them unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Roles(BTreeSet<Role>);

impl Roles {
    pub(crate) fn of(only: &[Role]) -> Self {
        if only.is_empty() {
            return Self(Role::ALL.into_iter().collect());
        }
        Self(only.iter().copied().collect())
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
        self.has(Role::Gateway) && self.others().next().is_some()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|role| role.name()).collect()
    }
}
