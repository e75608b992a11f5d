//! `stoa migrate`.

use std::process::ExitCode;

use super::say;
use crate::{
    data_dir::DataDir,
    mount::{self, Error, Platform},
    services::Services,
    settings::{ServerConfig, SettingsArgs},
};

/// Bring the databases up to this binary; `serve` does so too
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Only say what would be applied
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let settings = args.load(Vec::new())?;
        let server: ServerConfig = settings.section("server")?;
        let data_dir = DataDir::open(&server.data_dir)?;
        let listening = server.listen.to_string();
        let platform = Platform::aside(&settings, &server, data_dir.path(), &listening)?;
        let mounted = mount::services(&platform, &settings, &Services::of(&[]), data_dir.path()).await?;
        let mut count = 0;
        for one in &mounted {
            for (set, migrations) in stoa_mount::migrations(one.descriptor) {
                let names = if self.dry_run {
                    one.db.pending(set, migrations).await?
                } else {
                    one.db.migrate(set, migrations).await?.applied
                };
                count += names.len();
                let verb = if self.dry_run { "would apply" } else { "applied" };
                names
                    .iter()
                    .for_each(|name| say(format!("{}: {verb} {set}/{name}", one.service.name)));
            }
        }
        if count == 0 {
            say("The databases are up to date.");
        }
        for one in &mounted {
            one.db.close().await;
        }
        Ok(ExitCode::SUCCESS)
    }
}
