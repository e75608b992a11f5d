//! The command line: one subcommand a file.

mod admin;
mod audit;
mod config;
mod doctor;
mod health;
mod jobs;
mod migrate;
mod moving;
mod provision;
mod serve;
mod services;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{mount::Error, openapi, settings::SettingsArgs};

/// One roof for the whole backend of a product.
///
/// `stoa serve` starts on nothing but a data folder. Every setting has a default; see them with `stoa config print`.
#[derive(Debug, Parser)]
#[command(name = "stoa", version, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve all services, or those named by --only
    Serve(serve::Serve),
    /// Bring the databases up to this binary; `serve` does so too
    Migrate(migrate::Migrate),
    /// Make a role, a schema and a settings file for each service on a PostgreSQL server
    Provision(provision::Provision),
    /// Copy all data elsewhere: from files to PostgreSQL and S3, or back
    Move(moving::Move),
    /// Print or check the settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List the services, with their ports, events, routes, metrics and error codes
    Services(services::Services),
    /// Print the OpenAPI document
    Openapi,
    /// Make somebody an administrator
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Check the audit logs
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// List, replay or drop dead letters: jobs whose last attempt failed
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Look at settings, folder, certificates, every engine and every neighbour, and say what is wrong
    Doctor(doctor::Doctor),
    /// Ask a serving stoa whether it is ready; exit code 1 if it is not
    Health(health::Health),
}

impl Cli {
    pub(crate) async fn run(self) -> Result<ExitCode, Error> {
        match self.command {
            Command::Serve(command) => command.run(&self.settings).await,
            Command::Migrate(command) => command.run(&self.settings).await,
            Command::Move(command) => command.run(&self.settings).await,
            Command::Provision(command) => command.run(&self.settings).await,
            Command::Config(command) => command.run(&self.settings),
            Command::Services(command) => command.run(),
            Command::Openapi => openapi::print().await,
            Command::Admin(command) => command.run(&self.settings).await,
            Command::Audit(command) => command.run(&self.settings).await,
            Command::Jobs(command) => command.run(&self.settings).await,
            Command::Doctor(command) => command.run(&self.settings).await,
            Command::Health(command) => command.run(&self.settings),
        }
    }
}

/// Writes a line to standard output; a closed pipe is no failure.
pub(crate) fn say(line: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Tells why the program ends, and with what exit code.
pub(crate) fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    use std::io::Write;
    let mut line = format!("stoa: {error}");
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = next.source();
    }
    let _ = writeln!(std::io::stderr(), "{line}");
    ExitCode::from(1)
}
