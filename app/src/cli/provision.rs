//! `stoa provision`.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use stoa_db::{
    DatabaseConfig,
    provision::{Login, Plan, ProvisionOptions},
};

use super::say;
use crate::{mount::Error, services::KnownService, settings::SettingsArgs};

/// Make a role, a schema and a settings file for each service on a PostgreSQL server
///
/// Each service gets a login role with a password of its own, which reaches that service's schema and nothing else. The
/// addresses are written to a settings file; start with `--config stoa.toml --config <that file>`. It may be run again: it does
/// what is missing, hands over tables that another role made, and keeps passwords that stand in the file or in the settings.
#[derive(Debug, clap::Args)]
pub(crate) struct Provision {
    /// Address of the server, as a role that may make roles and databases: postgres://postgres:password@host/postgres
    #[arg(long, value_name = "URL", env = "STOA_ADMIN_URL", hide_env_values = true)]
    admin_url: String,
    /// Database to make, or what the databases' names begin with
    #[arg(long, value_name = "NAME", default_value = "stoa")]
    database: String,
    /// A database for each service, rather than a schema in one
    #[arg(long)]
    separate_databases: bool,
    /// What the roles' names begin with
    #[arg(long, value_name = "TEXT", default_value = "stoa_")]
    role_prefix: String,
    /// Give roles that exist new passwords
    #[arg(long)]
    rotate: bool,
    /// Settings file to write, for its owner alone
    #[arg(long, value_name = "FILE", default_value = "stoa.split.toml")]
    out: PathBuf,
    /// Only print the statements
    #[arg(long)]
    dry_run: bool,
}

impl Provision {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let services: Vec<_> = KnownService::with_database()
            .map(|service| service.name().to_owned())
            .collect();
        let mut known = in_settings(args, &services, &self.role_prefix)?;
        known.extend(in_file(&self.out, &services)?);
        let plan = Plan::make(&ProvisionOptions {
            known,
            admin_url: self.admin_url,
            services,
            database: self.database,
            role_prefix: self.role_prefix,
            separate: self.separate_databases,
            rotate: self.rotate,
        })
        .await?;
        plan.shown().for_each(say);
        if self.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        // Written first: a password that the server has and nobody knows would be of no use.
        write(&self.out, plan.logins())?;
        plan.run().await?;
        for login in plan.logins() {
            say(format!(
                "{}: logs in as {} to database {}",
                login.service, login.role, login.database
            ));
        }
        say(format!(
            "The addresses are in {0}, readable by this user alone. Start with: stoa --config {0} serve",
            self.out.display()
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The addresses that the settings give these roles: where passwords are handed out elsewhere, such as in a cluster.
fn in_settings(
    args: &SettingsArgs,
    services: &[String],
    prefix: &str,
) -> Result<HashMap<String, String>, Error> {
    let settings = args.load(Vec::new())?;
    let mut known = HashMap::new();
    for service in services {
        let url = settings
            .engine_section::<DatabaseConfig>("database", service)?
            .url;
        if url.contains(&format!("//{prefix}{service}:")) {
            known.insert(service.clone(), url);
        }
    }
    Ok(known)
}

/// The addresses that an earlier run wrote.
fn in_file(file: &Path, services: &[String]) -> Result<HashMap<String, String>, Error> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(HashMap::new()),
        Err(e) => return Err(format!("{} cannot be read: {e}", file.display()).into()),
    };
    let foreign = || {
        format!(
            "{} holds more than `stoa provision` writes: name another file with --out",
            file.display()
        )
    };
    let table: toml::Table = text.parse().map_err(|_| foreign())?;
    let mut known = HashMap::new();
    for (service, section) in table {
        let url = section
            .get("database")
            .and_then(|database| database.get("url"))
            .and_then(toml::Value::as_str)
            .map(str::to_owned);
        match url {
            Some(url) if alone_in(&section) && services.contains(&service) => known.insert(service, url),
            _ => return Err(foreign().into()),
        };
    }
    Ok(known)
}

/// Whether a section is `database.url` alone.
fn alone_in(section: &toml::Value) -> bool {
    let single = |value: &toml::Value| value.as_table().is_some_and(|table| table.len() == 1);
    single(section) && section.get("database").is_some_and(single)
}

/// Replaces the file as a whole.
fn write(file: &Path, logins: &[Login]) -> Result<(), Error> {
    let mut text =
        "# Written by `stoa provision`: how each service logs in to its database. Keep it secret.\n"
            .to_owned();
    for login in logins {
        let url = toml::Value::String(login.url.clone());
        write!(text, "\n[{}.database]\nurl = {url}\n", login.service)?;
    }
    let new = file.with_extension("new");
    let _ = fs::remove_file(&new);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut out| {
            out.write_all(text.as_bytes())?;
            out.sync_all()
        })
        .and_then(|()| fs::rename(&new, file));
    written.map_err(|e| format!("{} cannot be written: {e}", file.display()).into())
}
