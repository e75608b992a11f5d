//! Which services there are, and which of them a process runs.

use std::{ops::Deref, str::FromStr, sync::Arc};

use stoa_db::Migration;
use stoa_events::EventInfo;
use stoa_http::openapi::Permission;
use stoa_service::{ChannelInfo, Descriptor, NotificationType};

/// The services. The gateway comes first; it is the edge around the others.
#[rustfmt::skip] // a line each
const SERVICES: &[&Descriptor] = &[
    &stoa_gateway::SERVICE,
    &stoa_auth::SERVICE,
    &stoa_users::SERVICE,
    &stoa_storage::SERVICE,
    &stoa_realtime::SERVICE,
    &stoa_notifications::SERVICE,
    &stoa_webhooks::SERVICE,
];

/// A service of this program, whether this process runs it or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownService(&'static Descriptor);

impl KnownService {
    pub(crate) const GATEWAY: Self = Self(&stoa_gateway::SERVICE);
    pub(crate) const AUTH: Self = Self(&stoa_auth::SERVICE);
    pub(crate) const NOTIFICATIONS: Self = Self(&stoa_notifications::SERVICE);

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        SERVICES.iter().copied().map(Self)
    }

    /// The services that keep something: all but the edge around them.
    pub(crate) fn with_database() -> impl Iterator<Item = Self> {
        Self::all().filter(|service| service.has_database())
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
        stoa_mount::migrations(self.0)
    }

    pub(crate) const fn descriptor(self) -> &'static Descriptor {
        self.0
    }
}

impl Deref for KnownService {
    type Target = Descriptor;

    fn deref(&self) -> &Descriptor {
        self.0
    }
}

impl PartialEq for KnownService {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// The events that services emit.
pub(crate) fn events() -> Arc<[EventInfo]> {
    KnownService::all()
        .flat_map(|service| service.emits)
        .copied()
        .collect()
}

/// The services, and the events that each wants.
pub(crate) fn wants() -> Vec<(&'static str, Vec<&'static str>)> {
    let services = KnownService::with_database();
    let all = events();
    services
        .map(|service| (service.name(), service.wanted_events(&all)))
        .collect()
}

/// The permissions and scopes that endpoints of any service ask for.
pub(crate) fn permissions() -> Arc<[Permission]> {
    KnownService::all().flat_map(KnownService::permissions).collect()
}

/// The channels of all services.
pub(crate) fn channels() -> Arc<[ChannelInfo]> {
    KnownService::all()
        .flat_map(|service| service.channels)
        .copied()
        .collect()
}

/// The kinds of notifications of all services.
pub(crate) fn notifications() -> Arc<[&'static NotificationType]> {
    KnownService::all()
        .flat_map(|service| service.0.notifications)
        .collect()
}

impl FromStr for KnownService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all().find(|service| service.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            format!(
                "there is no service '{text}'; the services are {}",
                names.join(", ")
            )
        })
    }
}

/// The services that this process runs: all of them, unless `--only` names some.
#[derive(Clone, Debug)]
pub(crate) struct Services(Vec<KnownService>);

impl Services {
    pub(crate) fn of(only: &[KnownService]) -> Self {
        Self(
            KnownService::all()
                .filter(|service| only.is_empty() || only.contains(service))
                .collect(),
        )
    }

    /// The services that run in other processes.
    pub(crate) fn others(&self) -> impl Iterator<Item = KnownService> {
        KnownService::with_database().filter(|service| !self.has(*service))
    }

    pub(crate) fn has(&self, service: KnownService) -> bool {
        self.0.contains(&service)
    }

    /// Whether requests are passed on to other processes.
    pub(crate) fn passes_on(&self) -> bool {
        self.has(KnownService::GATEWAY) && self.others().next().is_some()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|service| service.name()).collect()
    }
}
