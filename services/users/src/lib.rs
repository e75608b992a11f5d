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
use utoipa::openapi::OpenApi;

/// The events that it wants to be told of, for a broker to keep them before it has ever run.
pub const WANTS: &[&str] = &[UserRegistered::NAME, UserErased::NAME];

/// The tables of this service.
pub const MIGRATIONS: &[Migration] = stoa_db::migrations!["0001_create_profiles", "0002_fold_names"];

/// What its endpoints are, for a process that does not run it.
#[must_use]
pub fn description() -> OpenApi {
    http::router().into_openapi()
}

/// The service, to be mounted.
#[must_use]
pub fn service(env: Env, config: UsersConfig) -> Service {
    let ctx = ctx::Ctx::new(env, config);
    Service {
        name: "users",
        router: http::router().with_state(ctx.clone()),
        rpc: None,
        migrations: MIGRATIONS,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        codes: CODES,
        start: Some(Box::new(move || Box::pin(ops::fold::start(ctx)))),
    }
}
