//! `stoa config print` and `stoa config check`.

use std::process::ExitCode;

use clap::Subcommand;

use super::say;
use crate::{
    checks,
    mount::Error,
    services::{KnownService, Services},
    settings::{self, SettingsArgs},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the settings in force, each with where it comes from; secrets are masked
    Print {
        /// Print the defaults with their explanations instead
        #[arg(long)]
        defaults: bool,
    },
    /// Say whether the settings can be used, by the checks of `serve`
    Check {
        /// Services that the process would run [default: all]
        #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
        only: Vec<KnownService>,
    },
}

impl ConfigCommand {
    pub(crate) fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        match self {
            Self::Print { defaults: true } => say(settings::defaults().trim_end()),
            Self::Print { defaults: false } => say(args.load(Vec::new())?.print(true).trim_end()),
            Self::Check { only } => {
                checks::check(&args.load(Vec::new())?, &Services::of(&only))?;
                say("The settings are fine.");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
