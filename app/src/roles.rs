//! Which services a process runs.

use std::{collections::BTreeSet, str::FromStr};

/// One service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Gateway,
    Auth,
    Users,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Auth, Self::Users];

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
    pub(crate) fn of(only: &[Role]) -> Result<Self, String> {
        if only.is_empty() {
            return Ok(Self(Role::ALL.into_iter().collect()));
        }
        let roles = Self(only.iter().copied().collect());
        // Until upstreams can be named, what a service needs of another must run beside it.
        if !roles.has(Role::Auth) {
            return Err(
                "the other services need auth in the same process: add it, as in --only auth,users"
                    .to_owned(),
            );
        }
        Ok(roles)
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|role| role.name()).collect()
    }
}
