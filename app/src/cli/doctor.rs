//! `stoa doctor`.

use std::{os::unix::fs::PermissionsExt, path::Path, process::ExitCode};

use stoa_config::Settings;
use stoa_db::{Db, Migration, transfer};
use stoa_kernel::Clock;

use super::say;
use crate::{
    mount::{self, Error},
    roles::Role,
    settings::{self, ServerConfig, SettingsArgs},
};

/// Looks at everything and fixes nothing; exit code 2 if something is wrong.
pub(crate) async fn run(args: &SettingsArgs) -> Result<ExitCode, Error> {
    let loaded = args.load(Vec::new())?;
    let server: ServerConfig = loaded.section("server")?;
    let mut report = Report::default();
    report.add("settings", settings::check(&loaded).map(|()| "fine".to_owned()));
    report.add("data folder", folder(&server.data_dir));
    report.add("listening address", address(&server).await);
    for role in Role::with_database() {
        report.add(
            &format!("{} database", role.name()),
            database(&loaded, &server.data_dir, role.name()).await,
        );
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

#[derive(Default)]
struct Report {
    wrong: bool,
}

impl Report {
    fn add(&mut self, what: &str, found: Result<String, impl std::fmt::Display>) {
        match found {
            Ok(text) => say(format!("ok     {what}: {text}")),
            Err(text) => {
                self.wrong = true;
                say(format!("WRONG  {what}: {text}"));
            }
        }
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

async fn database(settings: &Settings, data_dir: &Path, name: &str) -> Result<String, Error> {
    let config = mount::database_config(settings, name)?;
    if config.is_embedded() && !data_dir.join(format!("{name}.db")).is_file() {
        return Ok("none yet; `stoa serve` makes it".to_owned());
    }
    let db = mount::database(settings, name, data_dir, &Clock::system()).await?;
    let found = look(&db, name).await;
    db.close().await;
    found
}

/// Whether it answers, has the tables of this program, and gets its work done.
async fn look(db: &Db, name: &str) -> Result<String, Error> {
    db.ping().await?;
    if let Some(source) = transfer::unfinished(db).await? {
        return Err(format!(
            "is the target of a `stoa move` from {source} that has not ended: start that again"
        )
        .into());
    }
    let mut pending = 0;
    for (set, migrations) in migrations(name) {
        pending += db.pending(set, migrations).await?.len();
    }
    let server = match db.facts().await? {
        Some(facts) if facts.replica == Some(None) => {
            return Err(format!("answers ({facts}): see replica_url").into());
        }
        Some(facts) => format!("{facts}; "),
        None => String::new(),
    };
    if pending > 0 {
        return Ok(format!(
            "{server}{pending} migrations to apply; `stoa serve` and `stoa migrate` do so"
        ));
    }
    let queue = stoa_events::stats(db).await?;
    if queue.dead > 0 {
        return Err(format!(
            "answers, but {} of its jobs failed for good (dead letters)",
            queue.dead
        )
        .into());
    }
    Ok(format!(
        "{server}answers; {} events to hand on, {} jobs to do",
        queue.outbox,
        queue.ready + queue.running
    ))
}

/// As `mount::migration_sets`, of a service that is not made.
fn migrations(name: &str) -> Vec<(&str, &'static [Migration])> {
    let own = match name {
        "auth" => stoa_auth::MIGRATIONS,
        "users" => stoa_users::MIGRATIONS,
        _ => &[],
    };
    vec![
        ("events", stoa_events::MIGRATIONS),
        ("audit", stoa_audit::MIGRATIONS),
        (name, own),
    ]
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
