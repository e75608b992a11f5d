//! `stoa move`.

mod end;
mod objects;
mod service;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use stoa_db::{Migration, transfer};
use stoa_kernel::Clock;

use self::{end::End, service::Moving};
use super::say;
use crate::{
    data_dir::DataDir,
    mount::{self, Error, Platform},
    services::{KnownService, Services},
    settings::{ServerConfig, SettingsArgs},
};

/// Copy all data elsewhere: from files to PostgreSQL and S3, or back
///
/// Nothing may serve from either side meanwhile. Tables are copied in chunks, and a move that is broken off, even by a kill, goes on
/// when it is started again. In the end every table is read on both sides and compared, and so are the audit logs and the objects.
/// The source is left as it is. Objects that are kept in the same place on both sides are left alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Move {
    /// Where to: a settings file (several: later ones outrank earlier ones), or a data folder. The environment does not count
    #[arg(long, required = true, value_name = "FILE|DIR")]
    to: Vec<PathBuf>,
    /// Where from, likewise [default: the settings in force]
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<PathBuf>,
}

type Sets = Vec<(&'static str, &'static [Migration])>;

impl Move {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let from = match self.from.as_slice() {
            [] => End::of(args.load(Vec::new())?)?,
            paths => End::read(paths)?,
        };
        let to = End::read(&self.to)?;
        let (from_dir, _to_dir) = hold(&from, &to)?;
        let migrations = migrations(&from, from_dir.path()).await?;
        let clock = Clock::system();
        let mut all = Vec::new();
        for (service, sets) in migrations {
            all.push(Moving {
                service,
                sets,
                source: from.open(service, &clock).await?,
                target: to.open(service, &clock).await?,
                name: from.name(service)?,
            });
        }
        let same = move_all(&all, &from, &to).await?;
        if !same {
            say(
                "What was copied is not what was there: it changed meanwhile. Empty the target and begin anew.",
            );
            return Ok(ExitCode::from(2));
        }
        let key = from_dir.path().join("keys/secrets.key");
        if from_dir.path() != to.data_dir && key.is_file() {
            say(format!(
                "Moved. Second factors and signing keys open only with the key that they were sealed with: set auth.secret to what \
                 `base64 -w0 {}` prints, unless it is set already.",
                key.display()
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Takes hold of both data folders, so that nobody serves from them. One that the target does not use is not touched.
fn hold(from: &End, to: &End) -> Result<(DataDir, Option<DataDir>), Error> {
    if from.is_embedded()? && !from.data_dir.is_dir() {
        return Err(format!("there is no data folder {} to move from", from.data_dir.display()).into());
    }
    for service in KnownService::with_database() {
        let name = service.name();
        let both = (from.name(name)?, to.name(name)?);
        if both.0 == both.1 {
            return Err(format!("{name} is to be moved to where it is: {}", both.0).into());
        }
    }
    let source = DataDir::open(&from.data_dir)?;
    let shared = std::fs::canonicalize(&to.data_dir).is_ok_and(|path| path == source.path());
    let target = match to.is_embedded()? && !shared {
        true => Some(DataDir::open(&to.data_dir)?),
        false => None,
    };
    Ok((source, target))
}

/// The tables of every service, by their migrations.
async fn migrations(from: &End, data_dir: &Path) -> Result<Vec<(&'static str, Sets)>, Error> {
    let server: ServerConfig = from.settings.section("server")?;
    let listening = server.listen.to_string();
    let platform = Platform::aside(&from.settings, &server, data_dir, &listening)?;
    let mounted = mount::services(&platform, &from.settings, &Services::of(&[]), data_dir).await?;
    let mut all = Vec::new();
    for one in &mounted {
        all.push((one.service.name, stoa_mount::migrations(one.descriptor).to_vec()));
        one.db.close().await;
    }
    Ok(all)
}

/// Moves every service, and objects. From when the first is begun until all have been compared, nobody serves from any of the targets. False if
/// something differs in the end.
async fn move_all(all: &[Moving], from: &End, to: &End) -> Result<bool, Error> {
    let named = |one: &Moving, e: Error| -> Error { format!("{}: {e}", one.service).into() };
    for one in all {
        one.check().await.map_err(|e| named(one, e))?;
    }
    let mut tables = Vec::new();
    for one in all {
        tables.push(one.begin().await.map_err(|e| named(one, e))?);
    }
    let mut same = objects::copy(from, to).await?;
    for (one, tables) in all.iter().zip(&tables) {
        one.copy(tables).await.map_err(|e| named(one, e))?;
        same &= one.compare(tables).await.map_err(|e| named(one, e))?;
    }
    for one in all {
        if same && transfer::unfinished(&one.target).await?.is_some() {
            transfer::finish(&one.target).await?;
        }
        one.source.close().await;
        one.target.close().await;
    }
    Ok(same)
}
