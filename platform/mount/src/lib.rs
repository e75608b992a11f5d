//! From descriptors to running services, in one order: made, migrated, started, served, stopped. The program and the test kit mount
//! services alike.

mod background;

pub use background::Background;

use axum::Router;
use stoa_db::{Db, Migration, transfer};
use stoa_service::{Descriptor, Env, Service};
use utoipa::{Modify, openapi::OpenApi};
use utoipa_axum::router::OpenApiRouter;

/// An error with words for the person who starts the program.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A service of this process, with the database that it was given.
pub struct Mounted {
    /// What is known of it without running it.
    pub descriptor: &'static Descriptor,
    /// Its live part.
    pub service: Service,
    /// Its database.
    pub db: Db,
}

impl Mounted {
    /// Makes a service. Calls of other services in this process reach it from now on. Nothing is migrated or started yet.
    ///
    /// # Errors
    /// What `make` says.
    pub fn new(
        descriptor: &'static Descriptor,
        env: Env,
        make: impl FnOnce(Env) -> Result<Service, String>,
    ) -> Result<Self, Error> {
        let (db, rpc) = (env.db.clone(), env.rpc.clone());
        let wanted = descriptor.wanted_events(&env.events);
        let mut service = make(env)?;
        assert_eq!(service.name, descriptor.name, "a service has one name");
        let unlisted = |name: &&&str| !wanted.contains(*name);
        let subscriptions = service.subscriptions.iter();
        if let Some(event) = subscriptions
            .flat_map(stoa_events::Subscription::events)
            .find(unlisted)
        {
            return Err(format!(
                "{} subscribes to {event}, which its descriptor's `wants` lacks",
                service.name
            )
            .into());
        }
        if let Some(server) = service.rpc.take() {
            rpc.set_local(service.name, server);
        }
        Ok(Self {
            descriptor,
            service,
            db,
        })
    }
}

/// The migration sets of a service's database: the platform's tables, then its own.
#[must_use]
pub const fn migrations(service: &Descriptor) -> [(&'static str, &'static [Migration]); 3] {
    [
        ("events", stoa_events::MIGRATIONS),
        ("audit", stoa_audit::MIGRATIONS),
        (service.name, service.migrations),
    ]
}

/// Brings every database up to this binary.
///
/// # Errors
/// When a database cannot be migrated, or is the target of a `stoa move` that has not ended.
pub async fn migrate(mounted: &[Mounted]) -> Result<(), Error> {
    for one in mounted {
        let service = one.service.name;
        if let Some(source) = transfer::unfinished(&one.db).await? {
            return Err(format!(
                "the database of {service} is the target of a `stoa move` from {source} that has not ended: start that again first"
            )
            .into());
        }
        for (set, migrations) in migrations(one.descriptor) {
            for name in one.db.migrate(set, migrations).await?.applied {
                tracing::info!(service, set, migration = name, "migrated");
            }
        }
    }
    Ok(())
}

/// All endpoints, taken from the services and merged with these `pages`; and their description, with that of `others`, which run
/// elsewhere.
pub fn routes<'a>(
    pages: OpenApiRouter,
    mounted: &mut [Mounted],
    others: impl IntoIterator<Item = &'a Descriptor>,
) -> (Router, OpenApi) {
    let mut all = pages;
    for one in mounted {
        all = all.merge(std::mem::take(&mut one.service.router));
    }
    let (router, mut openapi) = all.split_for_parts();
    for service in others {
        openapi.merge((service.openapi)());
    }
    stoa_http::openapi::Shared.modify(&mut openapi);
    (router, openapi)
}
