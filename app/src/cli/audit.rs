//! `stoa audit verify` and `stoa audit anchor`.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use stoa_audit::{Against, AuditKey, HeadRecord, Verification};
use stoa_config::Settings;
use stoa_db::Db;
use stoa_kernel::Clock;

use super::say;
use crate::{
    audit,
    mount::{self, Error},
    services::KnownService,
    settings::{AuditConfig, ServerConfig, SettingsArgs},
};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute the hash chain of every service's audit log; exit code 2 if one is broken
    ///
    /// May run beside a serving stoa. Looks at the signature of each chain's head, which is its last hash, and compares the chains
    /// with the heads that are kept outside of the databases: in audit.heads_file, and where --against says.
    Verify {
        /// A file of heads that are kept elsewhere, such as a saved mail's line, or "objects" for those in the object store
        #[arg(long, value_name = "FILE|objects")]
        against: Vec<String>,
    },
    /// Take the logs as they are for the beginning of what the key proves, and write so into them
    ///
    /// After a backup was restored, or the secret was changed. What was in the logs before is from then on as good as whoever
    /// runs this says: verify them first.
    Anchor,
}

impl AuditCommand {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let settings = args.load(Vec::new())?;
        let server: ServerConfig = settings.section("server")?;
        match self {
            Self::Verify { against } => verify(&settings, &server.data_dir, &against).await,
            Self::Anchor => anchor(&settings, &server.data_dir).await,
        }
    }
}

async fn verify(settings: &Settings, data_dir: &Path, places: &[String]) -> Result<ExitCode, Error> {
    let key = audit::key(settings, data_dir, false)?;
    let config: AuditConfig = settings.section("audit")?;
    // Before the chains are read: what is kept later they may not have yet.
    let mut sets = vec![config.file(data_dir).read()?];
    for place in places {
        sets.push(audit::records(settings, data_dir, place).await?);
    }
    let mut intact = true;
    for service in KnownService::with_database().map(KnownService::name) {
        let db = open(settings, data_dir, service).await?;
        for (records, place) in sets.iter().zip([None].into_iter().chain(places.iter().map(Some))) {
            let against = Against {
                key: key.as_ref(),
                records,
            };
            let found = stoa_audit::verify(&db, against, |_| {}).await?;
            intact &= tell(&found, key.as_ref(), place.map(String::as_str));
            if found.broken_at.is_some() {
                break;
            }
        }
        db.close().await;
    }
    Ok(if intact {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

/// Says what was found; whether all is well. `place` has the heads that it was compared with, if those were asked for.
fn tell(found: &Verification, key: Option<&AuditKey>, place: Option<&str>) -> bool {
    let name = &found.service;
    if let Some(broken) = &found.broken_at {
        let place = place
            .map(|place| format!(" (against {place})"))
            .unwrap_or_default();
        say(format!(
            "{name}: BROKEN at entry {}{place}: {}",
            broken.seq, broken.why
        ));
        return false;
    }
    if let Some(place) = place {
        if found.compared == 0 {
            say(format!("{name}: nothing in {place} to compare with"));
        } else {
            say(format!("{name}: agrees with {} heads in {place}", found.compared));
        }
        return true;
    }
    if found.entries + found.trimmed == 0 {
        say(format!(
            "{name}: no entry is sealed, so nothing is proved; a log that was emptied looks the same unless its head was kept elsewhere"
        ));
    } else {
        say(format!(
            "{name}: intact, {} entries, head {}",
            found.entries, found.head
        ));
    }
    if found.trimmed > 0 {
        say(format!(
            "{name}: {} older entries were deleted in time",
            found.trimmed
        ));
    }
    if !found.signed && found.entries > 0 {
        say(match key {
            Some(_) => format!(
                "{name}: from before heads were signed, so it could have been rewritten as a whole; `stoa audit anchor` signs \
                 it after the next start"
            ),
            None => format!(
                "{name}: the key is not here (audit.secret, or keys/secrets.key), so signatures were not looked at"
            ),
        });
    }
    if found.overdue > 0 {
        say(format!(
            "{name}: {} entries wait to be sealed for over a minute; is `stoa serve` running?",
            found.overdue
        ));
    }
    true
}

async fn anchor(settings: &Settings, data_dir: &Path) -> Result<ExitCode, Error> {
    let key = audit::key(settings, data_dir, false)?
        .ok_or("the key is not here: set audit.secret, or name the data folder with --data-dir")?;
    let config: AuditConfig = settings.section("audit")?;
    for service in KnownService::with_database().map(KnownService::name) {
        let db = open(settings, data_dir, service).await?;
        let record: HeadRecord = stoa_audit::anchor(&db, &key).await?;
        db.close().await;
        config.file(data_dir).add(&record)?;
        say(format!(
            "{service}: signed as it is, {} entries, head {}",
            record.seq, record.hash
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(settings: &Settings, data_dir: &Path, service: &str) -> Result<Db, Error> {
    mount::database_exists(settings, service, data_dir)?;
    mount::database(settings, service, data_dir, &Clock::system()).await
}
