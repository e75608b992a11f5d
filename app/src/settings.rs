//! The settings that belong to no service, and how all of them are put together.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use stoa_config::{ConfigError, Schema, Settings};
use stoa_kernel::Period;

use crate::services::KnownService;

/// Every key with its default, as TOML with explanations: what all services share, then what each has. It is the schema of all
/// settings, and `stoa.default.toml`.
pub(crate) fn defaults() -> String {
    let mut upstreams = String::new();
    for service in KnownService::with_database() {
        upstreams.push_str(&format!("{} = []\n", service.name()));
    }
    let mut all = include_str!("../defaults.toml").to_owned();
    for section in KnownService::all()
        .map(|service| service.defaults)
        .filter(|section| !section.is_empty())
    {
        all.push('\n');
        all.push_str(section);
    }
    all.replace("# {services}\n", &upstreams)
}

/// All settings, and which of them each service may set for itself: `[auth.database]`.
pub(crate) fn schema() -> Result<Schema, ConfigError> {
    let services = || KnownService::with_database().map(KnownService::name);
    Ok(Schema::new(&defaults())?
        .per_service("database", services())
        .per_service("bus", services())
        .per_service("cache", services())
        .per_service("objects", services().chain(["audit"])))
}

/// Variables that begin so are no settings: those of tests, and the flags of commands.
const NOT_SETTINGS: [&str; 2] = ["STOA_TEST_", "STOA_ADMIN_URL"];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) public_url: String,
    pub(crate) product_name: String,
    pub(crate) rpc_listen: String,
    pub(crate) drain: Period,
    pub(crate) shutdown_grace: Period,
    pub(crate) tls: TlsConfig,
}

/// Section `[server.tls]`. An empty path is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) min_version: stoa_tls::Version,
    pub(crate) redirect_listen: String,
    pub(crate) peers_only: bool,
    pub(crate) acme: stoa_acme::AcmeConfig,
}

/// Section `[audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditConfig {
    pub(crate) secret: String,
    pub(crate) keep: Period,
    pub(crate) heads_file: PathBuf,
    pub(crate) heads_every: Period,
    pub(crate) heads_objects: bool,
    pub(crate) heads_mail: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsConfig {
    pub(crate) concurrency: usize,
    pub(crate) keep_done: Period,
    pub(crate) poll: Period,
    pub(crate) lease: Period,
    pub(crate) deadline: Period,
}

/// What the command line says about settings; each flag outranks file and environment.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SettingsArgs {
    /// Settings file; without it ./stoa.toml is read if there is one. Given several times, later files outrank earlier ones
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Folder that everything is kept in [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl SettingsArgs {
    /// The files that settings are read from.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let implied = PathBuf::from("stoa.toml");
        if self.config.is_empty() && implied.is_file() {
            return vec![implied];
        }
        self.config.clone()
    }

    /// Reads defaults, file, environment and flags, in this order.
    pub(crate) fn load(&self, mut flags: Vec<(String, toml::Value)>) -> Result<Settings, ConfigError> {
        if let Some(dir) = &self.data_dir {
            flags.push(("server.data_dir".to_owned(), dir.display().to_string().into()));
        }
        let files = self.files();
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| !NOT_SETTINGS.iter().any(|begin| name.starts_with(begin)));
        Settings::load(schema()?, files.iter().map(PathBuf::as_path), environment, flags)
    }
}
