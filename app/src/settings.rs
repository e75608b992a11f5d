//! The settings that belong to no service, and how all of them are put together.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use stoa_config::Settings;
use stoa_kernel::Period;

/// Every key with its default: the schema of all settings.
pub(crate) const DEFAULTS: &str = include_str!("../../stoa.default.toml");

/// Variables that begin so are no settings.
const NOT_SETTINGS: &str = "STOA_TEST_";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) public_url: String,
    pub(crate) rpc_listen: String,
    pub(crate) shutdown_grace: Period,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseConfig {
    pub(crate) connections: usize,
    pub(crate) wait: Period,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsConfig {
    pub(crate) concurrency: usize,
    pub(crate) keep_done: Period,
    pub(crate) poll: Period,
    pub(crate) lease: Period,
}

/// What the command line says about settings; each flag outranks file and environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SettingsArgs {
    /// Settings file; without it ./stoa.toml is read if there is one
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder that everything is kept in [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl SettingsArgs {
    /// Reads defaults, file, environment and flags, in this order.
    pub(crate) fn load(
        &self,
        mut flags: Vec<(String, toml::Value)>,
    ) -> Result<Settings, stoa_config::ConfigError> {
        if let Some(dir) = &self.data_dir {
            flags.push(("server.data_dir".to_owned(), dir.display().to_string().into()));
        }
        let implied = PathBuf::from("stoa.toml");
        let file = self
            .config
            .clone()
            .or_else(|| implied.is_file().then_some(implied));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| !name.starts_with(NOT_SETTINGS));
        Settings::load(DEFAULTS, file.as_deref(), environment, flags)
    }
}

/// Reads every section as its service does, so that a wrong one is found before anything starts.
pub(crate) fn check(settings: &Settings) -> Result<(), stoa_config::ConfigError> {
    settings.section::<ServerConfig>("server")?;
    settings.section::<DatabaseConfig>("database")?;
    settings.section::<EventsConfig>("events")?;
    settings.section::<stoa_cache::CacheConfig>("cache")?;
    settings.section::<stoa_mail::MailConfig>("mail")?;
    settings.section::<stoa_telemetry::TelemetryConfig>("telemetry")?;
    settings.section::<stoa_gateway::GatewayConfig>("gateway")?;
    settings.section::<stoa_auth::AuthConfig>("auth")?;
    settings.section::<stoa_users::UsersConfig>("users")?;
    Ok(())
}
