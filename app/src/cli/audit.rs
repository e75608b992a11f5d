//! `stoa audit verify`.

use std::process::ExitCode;

use clap::Subcommand;

use super::say;
use crate::{
    mount::{self, Error},
    roles::Role,
    settings::{ServerConfig, SettingsArgs},
};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute the hash chain of every service's audit log; exit code 2 if one is broken
    ///
    /// May run beside a serving stoa. The head it prints can be kept elsewhere, to show later that nothing
    /// before it was rewritten.
    Verify,
}

impl AuditCommand {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let Self::Verify = self;
        let settings = args.load(Vec::new())?;
        let server: ServerConfig = settings.section("server")?;
        let mut intact = true;
        for role in Role::with_database() {
            let name = role.name();
            mount::database_exists(&settings, name, &server.data_dir)?;
            let clock = stoa_kernel::Clock::system();
            let db = mount::database(&settings, name, &server.data_dir, &clock).await?;
            let found = stoa_audit::verify(&db, |_| {}).await?;
            db.close().await;
            match &found.broken_at {
                None => {
                    say(format!(
                        "{name}: intact, {} entries, head {}",
                        found.entries, found.head
                    ));
                    if found.overdue > 0 {
                        say(format!(
                            "{name}: {} entries wait to be sealed for over a minute; is `stoa serve` running?",
                            found.overdue
                        ));
                    }
                }
                Some(broken) => {
                    intact = false;
                    say(format!("{name}: BROKEN at entry {}: {}", broken.seq, broken.why));
                }
            }
        }
        Ok(if intact {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        })
    }
}
