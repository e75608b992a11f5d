//! Buckets, objects, versions and shares.

mod config;
mod ctx;
mod error;
pub mod events;
mod http;
mod ids;
mod jobs;
mod kind;
mod lanes;
mod notifications;
mod ops;
mod passwords;
mod path;
mod store;
mod uploads;

pub use config::StorageConfig;
use stoa_auth_api::events::{
    CredentialsRevoked, OrganizationDeleted, OrganizationPurged, OrganizationRestored, UserErased,
};
use stoa_config::{ConfigError, Settings};
use stoa_events::Event as _;
use stoa_notifications_api::NotificationRequested;
use stoa_service::{Descriptor, Env, Service};

use events::{BucketCreated, BucketDeleted, BucketUpdated, BytesDamaged, ObjectCreated, ObjectDeleted};

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "buckets, objects, versions and shares",
    defaults: include_str!("../defaults.toml"),
    port: 3007,
    migrations: stoa_db::migrations!(),
    codes: error::CODES,
    metrics: &[
        (
            "storage_received_bytes_total",
            "Bytes of objects that were stored",
        ),
        (
            "storage_sent_bytes_total",
            "Bytes of objects that answers were begun with",
        ),
        (
            "storage_renditions_total",
            "Pictures that were made smaller, or in another format",
        ),
        (
            "storage_swept_total",
            "Uploads that were given up after their process had ended",
        ),
        (
            "storage_damaged_total",
            "Stored bytes that were found not to match their checksums",
        ),
        (
            "storage_unreadable_total",
            "Stored bytes that could not be read when they were to be compared with their checksums",
        ),
    ],
    wants: &[
        UserErased::NAME,
        CredentialsRevoked::NAME,
        OrganizationPurged::NAME,
        OrganizationDeleted::NAME,
        OrganizationRestored::NAME,
    ],
    emits: &[
        BucketCreated::INFO,
        BucketUpdated::INFO,
        BucketDeleted::INFO,
        ObjectCreated::INFO,
        ObjectDeleted::INFO,
        BytesDamaged::INFO,
        NotificationRequested::INFO,
    ],
    notifications: &[notifications::ACCESS_KEY_CREATED],
    protocols: &[http::s3::PROTOCOL],
    openapi: || http::router().into_openapi(),
    make: Some(|env, settings| Ok(service(env, config(settings).map_err(|e| e.to_string())?))),
    ..Descriptor::named("storage")
};

fn config(settings: &Settings) -> Result<StorageConfig, ConfigError> {
    settings.section("storage")
}

/// The service with these settings.
#[must_use]
pub fn service(env: Env, config: StorageConfig) -> Service {
    let ctx = ctx::Ctx::new(env, config);
    Service {
        name: SERVICE.name,
        router: http::router().with_state(ctx.clone()),
        rpc: None,
        subscriptions: events::subscriptions(&ctx),
        jobs: jobs::handlers(&ctx),
        schedules: jobs::schedules(),
        // What the last run left is swept at once, and not only when it is time.
        start: Some(Box::new(move || Box::pin(jobs::start(ctx)))),
    }
}
