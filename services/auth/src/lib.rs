//! Accounts, sessions, roles, grants, keys: who somebody is, and what they may do.

mod admin;
mod config;
mod ctx;
mod email;
mod error;
mod http;
mod jobs;
mod keys;
mod lockout;
mod notifications;
mod ops;
mod page;
mod pages;
mod password;
mod permissions;
mod rpc;
mod second_factor;
mod store;
mod tokens;
mod words;

use std::path::Path;

use stoa_auth_api::events::{
    AccessChanged, CredentialsRevoked, MemberAdded, MemberRemoved, MemberUpdated, OrganizationAccessChanged,
    OrganizationCreated, OrganizationDeleted, OrganizationPurged, OrganizationRestored, OrganizationUpdated,
    RoleChanged, SessionRevoked, UserErased, UserRegistered,
};
use stoa_config::{ConfigError, Settings};
use stoa_db::migrations;
use stoa_events::Event as _;
use stoa_notifications_api::NotificationRequested;
use stoa_service::{Descriptor, Env, Service};
use zeroize::Zeroizing;

pub use admin::{Admin, AdminError, Existing, create_admin};
pub use config::{AuthConfig, PasswordConfig, RateLimitConfig, Registration, SameSite};
use ctx::Ctx;

/// The secret that others are made of: `auth.secret`, or the file `keys/secrets.key` in the data folder. Where there is no such
/// file it is made or, without `make`, none.
///
/// # Errors
/// When it cannot be read or made.
pub fn root_secret(
    config: &AuthConfig,
    data_dir: &Path,
    make: bool,
) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let folder = data_dir.join("keys");
    let secrets = stoa_secrets::Secrets::new(folder.clone(), &config.secret)?;
    secrets
        .root(make)
        .map_err(|e| format!("{}: {e}", folder.join("secrets.key").display()))
}

/// The service.
pub const SERVICE: Descriptor = Descriptor {
    about: "accounts, organizations, sessions, roles, grants and API keys",
    defaults: include_str!("../defaults.toml"),
    port: 3001,
    rpc_port: Some(3101),
    migrations: migrations!(),
    codes: error::CODES,
    metrics: &[
        (
            "stoa_auth_logins_total",
            "Attempts to sign in, by how they ended.",
        ),
        (
            "stoa_auth_limited_total",
            "Attempts to sign in that were refused because there had been too many.",
        ),
        (
            "stoa_auth_passwords_total",
            "Passwords that were to be hashed or checked, by what became of them.",
        ),
    ],
    emits: &[
        UserRegistered::INFO,
        UserErased::INFO,
        SessionRevoked::INFO,
        CredentialsRevoked::INFO,
        AccessChanged::INFO,
        RoleChanged::INFO,
        OrganizationCreated::INFO,
        OrganizationUpdated::INFO,
        OrganizationDeleted::INFO,
        OrganizationRestored::INFO,
        OrganizationPurged::INFO,
        OrganizationAccessChanged::INFO,
        MemberAdded::INFO,
        MemberUpdated::INFO,
        MemberRemoved::INFO,
        NotificationRequested::INFO,
    ],
    notifications: notifications::TYPES,
    // Links in mails lead to them.
    pages: &[
        "/auth/verify",
        "/auth/forgotten",
        "/auth/reset",
        "/auth/invitation",
        "/auth/domain",
    ],
    openapi: || http::router().into_openapi(),
    check: |settings| config(settings)?.check().map_err(ConfigError::one),
    make: Some(|env, settings| service(env, config(settings).map_err(|e| e.to_string())?)),
    ..Descriptor::named("auth")
};

fn config(settings: &Settings) -> Result<AuthConfig, ConfigError> {
    settings.section("auth")
}

/// The service with these settings.
///
/// # Errors
/// When its settings or its signing keys cannot be used, in words for whoever started the program.
pub fn service(env: Env, config: AuthConfig) -> Result<Service, String> {
    Ok(assemble(&Ctx::new(env, config)?))
}

fn assemble(ctx: &Ctx) -> Service {
    let starting = ctx.clone();
    Service {
        name: SERVICE.name,
        router: http::router().with_state(ctx.clone()),
        rpc: rpc::server(ctx),
        subscriptions: Vec::new(),
        jobs: jobs::handlers(ctx),
        schedules: jobs::schedules(),
        start: Some(Box::new(move || Box::pin(ops::start::start(starting)))),
    }
}
