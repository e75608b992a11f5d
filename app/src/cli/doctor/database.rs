//! The services' databases.

use std::{fmt::Write, path::Path};

use stoa_config::Settings;
use stoa_db::{Db, transfer};
use stoa_kernel::Clock;

use crate::{
    audit,
    mount::{self, Error},
    services::KnownService,
};

/// Looks at the database of one service.
pub(super) async fn look(
    settings: &Settings,
    data_dir: &Path,
    service: KnownService,
) -> Result<String, Error> {
    let name = service.name();
    let config = mount::database_config(settings, name)?;
    if config.is_embedded() && !data_dir.join(format!("{name}.db")).is_file() {
        return Ok("none yet; `stoa serve` makes it".to_owned());
    }
    let db = mount::database(settings, name, data_dir, &Clock::system()).await?;
    let mut found = ask(&db, service).await;
    let pending = db.pending("audit", stoa_audit::MIGRATIONS).await?;
    if pending.is_empty()
        && found.is_ok()
        && let Some(key) = audit::key(settings, data_dir, false)?
    {
        found = stoa_audit::check_head(&db, &key)
            .await
            .map_err(Into::into)
            .and(found);
    }
    db.close().await;
    found
}

/// Whether it answers, has the tables of this program, and gets its work done.
async fn ask(db: &Db, service: KnownService) -> Result<String, Error> {
    db.ping().await?;
    if let Some(source) = transfer::unfinished(db).await? {
        return Err(format!(
            "is the target of a `stoa move` from {source} that has not ended: start that again"
        )
        .into());
    }
    let mut pending = 0;
    for (set, migrations) in service.migrations() {
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
    let mut found = format!(
        "{server}answers; {} events to hand on, {} jobs to do",
        queue.outbox,
        queue.ready + queue.running
    );
    if queue.dead > 0 {
        // They hold nothing up.
        let _ = write!(
            found,
            ", {} dead letters: see `stoa jobs dead --service {}`",
            queue.dead,
            service.name()
        );
    }
    Ok(found)
}
