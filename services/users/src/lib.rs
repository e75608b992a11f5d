//! Profiles, preferences, avatars, activity: what a person says of themselves, and who looked at it.

mod config;
mod ctx;
mod error;
pub mod events;
mod http;
mod jobs;
mod ops;
mod store;
mod view;

pub use config::UsersConfig;
pub use error::CODES;
use stoa_auth_api::events::{UserErased, UserRegistered};
use stoa_db::Migration;
use stoa_events::Event as _;
use stoa_service::{Env, Service};

/// The events that it wants to be told of, for a broker to keep them before it has ever run.
pub const WANTS: &[&str] = &[UserRegistered::NAME, UserErased::NAME];

const MIGRATIONS: &[Migration] = stoa_db::migrations!["0001_create_profiles"];

/// The service, to be mounted.
#[must_use]
pub fn service(env: Env, config: UsersConfig) -> Service {
    let ctx = ctx::Ctx::new(env, config);
    Service {
        name: "users",
        router: http::router(ctx.clone()),
        rpc: None,
        migrations: MIGRATIONS,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        codes: CODES,
        start: None,
    }
}
