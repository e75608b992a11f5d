//! `stoa doctor`.

mod certificates;
mod database;
mod engines;
mod neighbours;

use std::{fmt::Display, os::unix::fs::PermissionsExt, path::Path, process::ExitCode};

use super::say;
use crate::{
    checks,
    mount::Error,
    services::{KnownService, Services},
    settings::{ServerConfig, SettingsArgs},
};

/// Look at settings, folder, certificates, every engine and every neighbour, and say what is wrong
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Services that the process would run [default: all]
    #[arg(long, value_delimiter = ',', value_name = "SERVICES")]
    only: Vec<KnownService>,
}

impl Doctor {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        run(args, &Services::of(&self.only)).await
    }
}

/// Looks at everything and fixes nothing; exit code 2 if something is wrong.
async fn run(args: &SettingsArgs, services: &Services) -> Result<ExitCode, Error> {
    let loaded = args.load(Vec::new())?;
    let server: ServerConfig = loaded.section("server")?;
    let mut report = Report::default();
    let checked = checks::check(&loaded, services);
    let readable = checked.is_ok();
    report.add("settings", checked.map(|()| "fine".to_owned()));
    report.add("data folder", folder(&server.data_dir));
    report.add("listening address", address(&server).await);
    if readable {
        certificates::look(&mut report, &loaded, &server);
        for service in KnownService::with_database() {
            let found = database::look(&loaded, &server.data_dir, service).await;
            report.add(&format!("{} database", service.name()), found);
        }
        engines::look(&mut report, &loaded, &server.data_dir).await?;
        neighbours::look(&mut report, &loaded).await?;
    }
    if server.data_dir.is_dir() {
        report.add("key files", keys(&server.data_dir.join("keys")));
    }
    Ok(if report.wrong {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

/// What was found so far.
#[derive(Default)]
struct Report {
    wrong: bool,
}

impl Report {
    fn add(&mut self, what: &str, found: Result<impl Display, impl Display>) {
        match found {
            Ok(text) => say(format!("ok     {what}: {text}")),
            Err(text) => {
                self.wrong = true;
                say(format!("WRONG  {what}: {text}"));
            }
        }
    }

    /// Something that works and should be thought about.
    fn warn(what: &str, text: impl Display) {
        say(format!("warn   {what}: {text}"));
    }
}

fn folder(path: &Path) -> Result<String, String> {
    if !path.exists() {
        return Ok(format!(
            "{} does not exist; `stoa serve` makes it",
            path.display()
        ));
    }
    let probe = path.join(".doctor");
    std::fs::write(&probe, b"stoa")
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|e| {
            format!(
                "{} cannot be written to: {e}; give this user the folder or choose another with --data-dir",
                path.display()
            )
        })?;
    let mode = std::fs::metadata(path)
        .map_err(|e| e.to_string())?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "{} can be read by others (mode {mode:o}); run: chmod 700 {0}",
            path.display()
        ));
    }
    Ok(path.display().to_string())
}

async fn address(server: &ServerConfig) -> Result<String, String> {
    match tokio::net::TcpListener::bind(server.listen).await {
        Ok(_) => Ok(format!("{} is free", server.listen)),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Ok(format!(
            "{} is taken; by a running stoa, if you started one",
            server.listen
        )),
        Err(e) => Err(format!(
            "{} cannot be listened on: {e}; choose another with --listen",
            server.listen
        )),
    }
}

fn keys(folder: &Path) -> Result<String, String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok("none yet; `stoa serve` makes them".to_owned());
    };
    let mut count = 0;
    for entry in entries.flatten() {
        count += 1;
        let mode = entry.metadata().map_err(|e| e.to_string())?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!(
                "{} can be read by others (mode {mode:o}); run: chmod 600 {0}",
                entry.path().display()
            ));
        }
    }
    Ok(format!("{count} files, readable by this user alone"))
}
