//! Channels for clients with an open connection: what services publish in their transactions reaches those who have subscribed, in
//! order, once, also after they were away.

mod config;
mod ctx;
mod error;
mod events;
mod http;
mod hub;
mod jobs;
mod kinds;
mod measured;
mod ops;
mod scopes;
mod session;
mod socket;
mod store;
mod stream;

pub use config::RealtimeConfig;
#[doc(hidden)]
pub use hub::CloseReason;
#[doc(hidden)]
pub use socket::echo;
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_config::{ConfigError, Settings};
use stoa_events::{ChannelPublished, Event as _};
use stoa_service::{Descriptor, Env, Service};

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "channels for WebSockets and server-sent events",
    defaults: include_str!("../defaults.toml"),
    port: 3009,
    migrations: stoa_db::migrations!(),
    codes: error::CODES,
    metrics: measured::METRICS,
    wants: &[ChannelPublished::NAME, UserErased::NAME, OrganizationPurged::NAME],
    channels: kinds::CHANNELS,
    openapi: || http::router().into_openapi(),
    check: |settings| config(settings)?.check().map_err(ConfigError::one),
    make: Some(|env, settings| Ok(service(env, config(settings).map_err(|e| e.to_string())?))),
    ..Descriptor::named("realtime")
};

fn config(settings: &Settings) -> Result<RealtimeConfig, ConfigError> {
    settings.section("realtime")
}

/// The service with these settings.
#[must_use]
pub fn service(env: Env, config: RealtimeConfig) -> Service {
    let ctx = ctx::Ctx::new(env, config);
    Service {
        name: SERVICE.name,
        router: http::router().with_state(ctx.clone()),
        rpc: None,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        start: Some(Box::new(move || Box::pin(ops::start::start(ctx)))),
    }
}
