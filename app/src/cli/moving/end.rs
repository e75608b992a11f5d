//! Where a move comes from, or where it goes.

use std::path::PathBuf;

use stoa_config::Settings;
use stoa_db::Db;
use stoa_kernel::Clock;

use crate::{
    checks,
    mount::{self, Error},
    services::{KnownService, Services},
    settings::{self, ServerConfig},
};

/// One end of the move.
pub(super) struct End {
    pub(super) settings: Settings,
    pub(super) data_dir: PathBuf,
}

impl End {
    /// A data folder, or settings files alone: what the environment says holds for one end only.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let dir = paths.iter().find(|path| path.is_dir());
        let files = paths.iter().filter(|path| !path.is_dir()).map(PathBuf::as_path);
        let flags = dir.map(|dir| ("server.data_dir".to_owned(), dir.display().to_string().into()));
        let settings = Settings::load(
            settings::schema()?,
            files,
            std::iter::empty(),
            flags.into_iter().collect(),
        )?;
        Self::of(settings)
    }

    pub(super) fn of(settings: Settings) -> Result<Self, Error> {
        checks::check(&settings, &Services::of(&[]))?;
        let server: ServerConfig = settings.section("server")?;
        // In full, so that a move that is started again from another folder knows its source.
        let data_dir = std::fs::canonicalize(&server.data_dir).unwrap_or(server.data_dir);
        Ok(Self { settings, data_dir })
    }

    pub(super) fn is_embedded(&self) -> Result<bool, Error> {
        for service in KnownService::with_database() {
            if mount::database_config(&self.settings, service.name())?.is_embedded() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which database it is, without a password.
    pub(super) fn name(&self, service: &str) -> Result<String, Error> {
        let config = mount::database_config(&self.settings, service)?;
        Ok(config.options(service, &self.data_dir, &Clock::system()).place())
    }

    pub(super) async fn open(&self, service: &str, clock: &Clock) -> Result<Db, Error> {
        let config = mount::database_config(&self.settings, service)?;
        let mut options = config.options(service, &self.data_dir, clock);
        // So that it is told apart from those that serve.
        options.schema = Some(service.to_owned());
        options.service = "move".to_owned();
        mount::open(&self.settings, service, &config, options).await
    }
}
