//! Outbound webhooks: events as signed HTTP requests to the servers of people, organizations and those who run the installation.

mod catalogue;
mod config;
mod ctx;
mod error;
pub mod events;
mod filters;
mod headers;
mod http;
mod jobs;
mod notifications;
mod ops;
mod owner;
mod plan;
mod signature;
mod store;

pub use config::WebhooksConfig;
pub use owner::EndpointOwner;
use stoa_auth_api::events::{CredentialsRevoked, OrganizationPurged, UserErased};
use stoa_config::{ConfigError, Settings};
use stoa_events::Event as _;
use stoa_notifications_api::NotificationRequested;
use stoa_service::{ALL_EVENTS, Descriptor, Env, Service};

use events::{EndpointCreated, EndpointDeleted, EndpointDisabled, EndpointUpdated, SecretRotated};

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "events as signed HTTP requests to the servers of users",
    defaults: include_str!("../defaults.toml"),
    port: 3008,
    migrations: stoa_db::migrations!(),
    codes: error::CODES,
    metrics: &[
        (
            "stoa_webhooks_attempts_total",
            "Attempts to send a message, by how they ended.",
        ),
        (
            "stoa_webhooks_attempt_seconds",
            "Time that one attempt took, the answer included.",
        ),
        (
            "stoa_webhooks_disabled_total",
            "Endpoints that were disabled, but not by their owners.",
        ),
    ],
    wants: &[
        ALL_EVENTS,
        UserErased::NAME,
        CredentialsRevoked::NAME,
        OrganizationPurged::NAME,
    ],
    emits: &[
        EndpointCreated::INFO,
        EndpointUpdated::INFO,
        EndpointDeleted::INFO,
        SecretRotated::INFO,
        EndpointDisabled::INFO,
        NotificationRequested::INFO,
    ],
    notifications: &[notifications::DESTINATION_ADDED, notifications::DISABLED],
    openapi: || http::router().into_openapi(),
    make: Some(|env, settings| Ok(service(env, config(settings).map_err(|e| e.to_string())?))),
    ..Descriptor::named("webhooks")
};

fn config(settings: &Settings) -> Result<WebhooksConfig, ConfigError> {
    settings.section("webhooks")
}

/// The service with these settings.
#[must_use]
pub fn service(env: Env, config: WebhooksConfig) -> Service {
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
