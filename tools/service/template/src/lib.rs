//! __About__.

mod config;
mod ctx;
mod error;
pub mod events;
mod http;
mod jobs;
mod ops;
mod store;

pub use config::__Name__Config;
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_config::{ConfigError, Settings};
use stoa_events::Event as _;
use stoa_service::{Descriptor, Env, Service};

use events::ItemCreated;

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "__about__",
    defaults: include_str!("../defaults.toml"),
    port: __port__,
    migrations: stoa_db::migrations!(),
    codes: error::CODES,
    wants: &[UserErased::NAME, OrganizationPurged::NAME],
    emits: &[ItemCreated::INFO],
    openapi: || http::router().into_openapi(),
    make: Some(|env, settings| Ok(service(env, config(settings).map_err(|e| e.to_string())?))),
    ..Descriptor::named("__name__")
};

fn config(settings: &Settings) -> Result<__Name__Config, ConfigError> {
    settings.section("__name__")
}

/// The service with these settings.
#[must_use]
pub fn service(env: Env, config: __Name__Config) -> Service {
    let ctx = ctx::Ctx::new(env, config);
    Service {
        name: SERVICE.name,
        router: http::router().with_state(ctx.clone()),
        rpc: None,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        start: None,
    }
}
