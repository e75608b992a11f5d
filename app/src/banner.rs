//! What a newcomer sees first.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use stoa_config::Settings;
use stoa_providers::DevPages;

use crate::{
    cli::say,
    mount::{self, Error},
    services::{KnownService, Services},
};

pub(crate) fn print(kept: &[(&str, DevPages)], services: &Services, url: &str, data_dir: &Path, admin: &str) {
    let data = data_dir.display();
    let mut kept: String = kept
        .iter()
        .map(|(label, pages)| format!("  {label:<7} {url}{}\n", pages.path))
        .collect();
    if !kept.is_empty() {
        kept += "          (kept here while the settings name nothing that sends them)\n";
    }
    say(format!(
        "\n  Stoa {version} is serving {services}\n\n  API     {url}/api/v1\n  Docs    {url}/api/docs\n  Health  {url}/health\n{kept}  Data    {data}\n\n\
         {admin}  To stop:                  Ctrl-C\n",
        version = env!("CARGO_PKG_VERSION"),
        services = services.names().join(", "),
    ));
}

/// How to become administrator, with the settings of this process. Empty where the accounts are not in the data folder: a command
/// without the same environment would make another database there.
pub(crate) fn admin(
    settings: &Settings,
    services: &Services,
    files: &[PathBuf],
    data_dir: &Path,
) -> Result<String, Error> {
    let elsewhere = !mount::database_config(settings, KnownService::AUTH.name())?
        .url
        .is_empty();
    if elsewhere || !services.has(KnownService::AUTH) {
        return Ok(String::new());
    }
    let mut command = "stoa".to_owned();
    for file in files {
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
        write!(command, " --config {}", file.display())?;
    }
    let data = data_dir.display();
    Ok(format!(
        "  To become administrator:  {command} --data-dir {data} admin create --email you@example.com\n"
    ))
}
