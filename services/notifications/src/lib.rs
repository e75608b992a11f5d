//! Notifications to people: what is sent, to whom and when, by which channels, and the inbox.

mod address;
mod categories;
mod config;
mod ctx;
mod decide;
mod error;
pub mod events;
mod http;
mod jobs;
mod keyed;
mod limits;
mod mjml;
mod ops;
mod pages;
mod phone;
mod sandbox;
mod store;
mod texts;
mod types;
mod when;

pub use config::{NotificationsConfig, PhoneCodesConfig};
use stoa_auth_api::events::{CredentialsRevoked, SessionRevoked, UserErased, UserRegistered};
use stoa_config::{ConfigError, Settings};
use stoa_events::Event as _;
use stoa_notifications_api::NotificationRequested;
use stoa_service::{Descriptor, Env, Service};
use stoa_users_api::events::PreferenceChanged;

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "what is sent to people: types, templates, preferences, channels, history and the inbox",
    defaults: include_str!("../defaults.toml"),
    port: 3003,
    migrations: stoa_db::migrations!(),
    codes: error::CODES,
    metrics: &[(
        "stoa_notifications_total",
        "Notifications to one person by one channel, by how they ended.",
    )],
    wants: &[
        NotificationRequested::NAME,
        UserRegistered::NAME,
        PreferenceChanged::NAME,
        SessionRevoked::NAME,
        CredentialsRevoked::NAME,
        UserErased::NAME,
    ],
    notifications: &[types::WELCOME, types::PHONE_CHANGED, types::PHONE_REMOVED],
    // Links in mails lead to it.
    pages: &["/notifications/unsubscribe"],
    openapi: || http::router().into_openapi(),
    check: |settings| config(settings)?.check().map_err(ConfigError::one),
    make: Some(|env, settings| service(env, config(settings).map_err(|e| e.to_string())?)),
    ..Descriptor::named("notifications")
};

fn config(settings: &Settings) -> Result<NotificationsConfig, ConfigError> {
    settings.section("notifications")
}

/// The service with these settings.
///
/// # Errors
/// When its settings or the types of notifications cannot be used, in words for the person who starts the program.
pub fn service(env: Env, config: NotificationsConfig) -> Result<Service, String> {
    let ctx = ctx::Ctx::new(env, config)?;
    Ok(Service {
        name: SERVICE.name,
        router: http::router().with_state(ctx.clone()),
        rpc: None,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        start: None,
    })
}
