//! Profiles, preferences, avatars, activity: what a person says of themselves, and who looked at it.

mod config;
mod ctx;
mod error;
pub mod events;
mod http;
mod jobs;
mod ops;
mod store;

pub use config::UsersConfig;
use stoa_auth_api::events::{UserErased, UserRegistered};
use stoa_config::{ConfigError, Settings};
use stoa_events::Event as _;
use stoa_service::{Descriptor, Env, Service};

use events::{AvatarChanged, PreferenceChanged, ProfileCreated, ProfileErased, ProfileUpdated};

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "profiles, preferences, avatars and activity",
    defaults: include_str!("../defaults.toml"),
    port: 3002,
    migrations: stoa_db::migrations!(),
    codes: error::CODES,
    wants: &[UserRegistered::NAME, UserErased::NAME],
    emits: &[
        ProfileCreated::INFO,
        ProfileUpdated::INFO,
        PreferenceChanged::INFO,
        AvatarChanged::INFO,
        ProfileErased::INFO,
    ],
    openapi: || http::router().into_openapi(),
    check: |settings| config(settings)?.check().map_err(ConfigError::one),
    make: Some(|env, settings| Ok(service(env, config(settings).map_err(|e| e.to_string())?))),
    ..Descriptor::named("users")
};

fn config(settings: &Settings) -> Result<UsersConfig, ConfigError> {
    settings.section("users")
}

/// The service with these settings.
#[must_use]
pub fn service(env: Env, config: UsersConfig) -> Service {
    let ctx = ctx::Ctx::new(env, config);
    Service {
        name: SERVICE.name,
        router: http::router().with_state(ctx.clone()),
        rpc: None,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        start: Some(Box::new(move || Box::pin(ops::fold::start(ctx)))),
    }
}
