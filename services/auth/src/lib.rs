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
mod mails;
mod ops;
mod pages;
mod password;
mod permissions;
mod rpc;
mod second_factor;
mod secrets;
mod store;
mod tokens;

use stoa_db::{Migration, migrations};
use stoa_service::{Env, Service};
use utoipa::openapi::OpenApi;

pub use admin::{Admin, AdminError, create_admin};
pub use config::{AuthConfig, PasswordConfig, RateLimitConfig, Registration, SameSite};
use ctx::Ctx;
pub use error::CODES;

/// Who issues our access tokens: the claim `iss`.
pub const ISSUER: &str = "stoa";

/// The pages that links in mails lead to.
pub const PAGES: &[&str] = &["/auth/verify", "/auth/reset"];

/// The tables. Numbered in a row, without gaps.
pub const MIGRATIONS: &[Migration] = migrations![
    "0001_create_accounts",
    "0002_create_sessions",
    "0003_create_refresh_tokens",
    "0004_create_mail_tokens",
    "0005_create_known_networks",
    "0006_create_revocations",
    "0007_create_roles",
    "0008_create_totp",
    "0009_create_api_keys",
    "0010_create_grants",
    "0011_disable_accounts",
    "0012_number_revocations",
    "0013_create_signing_keys",
    "0014_raise_roles",
    "0015_keep_registered_names",
];

/// What its endpoints are, for a process that does not run it.
#[must_use]
pub fn description() -> OpenApi {
    http::router().into_openapi()
}

/// The service.
///
/// # Errors
/// When its settings or its signing keys cannot be used, in words for whoever started the program.
pub fn service(env: Env, config: AuthConfig) -> Result<Service, String> {
    Ok(assemble(&Ctx::new(env, config)?))
}

fn assemble(ctx: &Ctx) -> Service {
    let starting = ctx.clone();
    Service {
        name: "auth",
        router: http::router().with_state(ctx.clone()),
        rpc: rpc::server(ctx),
        migrations: MIGRATIONS,
        subscriptions: Vec::new(),
        jobs: jobs::handlers(ctx),
        schedules: jobs::schedules(),
        codes: CODES,
        start: Some(Box::new(move || Box::pin(ops::start::start(starting)))),
    }
}
