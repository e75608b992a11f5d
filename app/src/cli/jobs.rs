//! `stoa jobs`: what to do about work that failed for good.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use stoa_config::Settings;
use stoa_db::Db;
use stoa_events::{DeadLetter, EventId};

use super::say;
use crate::{
    mount::{self, Error},
    roles::Role,
    settings::{ServerConfig, SettingsArgs},
};

/// Dead letters read at once.
const MOST: u32 = 100_000;

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List dead letters, oldest first: jobs and events whose last attempt failed
    ///
    /// A dead letter holds nothing up. It is kept for 90 days with all that is needed to run it again. The error of its last
    /// attempt says what to mend; then put it back with `stoa jobs replay`, or delete it with `stoa jobs drop`.
    ///
    /// May run beside a serving stoa.
    #[command(
        after_help = "Examples:\n  stoa jobs dead\n  stoa jobs dead --service auth --queue auth.send_mail --json"
    )]
    Dead {
        #[command(flatten)]
        which: Which,
        /// Most that are listed
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: u32,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Put dead letters back in their queue, to be run again from their first attempt
    ///
    /// Events that the bus had refused (queue bus.refused) are handed on once more. Messages that were no events (queue
    /// bus.unreadable) cannot be run: drop them.
    ///
    /// May run beside a serving stoa, which takes them up within seconds. Exit code 2 if one of the ids is no dead letter.
    #[command(
        after_help = "Examples:\n  stoa jobs replay 01a1fd28-cef2-78a7-bb09-fb0fd931cf29\n  \
                            stoa jobs replay --all --queue auth.send_mail"
    )]
    Replay(Chosen),
    /// Delete dead letters
    ///
    /// What a deleted one was to do is not done. May run beside a serving stoa. Exit code 2 if one of the ids is no dead letter.
    #[command(
        after_help = "Examples:\n  stoa jobs drop 01a1fd28-cef2-78a7-bb09-fb0fd931cf29\n  \
                            stoa jobs drop --all --queue bus.unreadable"
    )]
    Drop(Chosen),
}

/// Of which services and queues.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only those of this queue, such as auth.send_mail
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
}

/// Dead letters by their ids, or all that match.
#[derive(Debug, Args)]
pub(crate) struct Chosen {
    /// Ids of dead letters, as `stoa jobs dead` lists them
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<EventId>,
    /// All of the service and queue that are named; without either, all
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    which: Which,
}

/// A line of `stoa jobs dead --json`.
#[derive(Serialize)]
struct Line<'a> {
    service: &'a str,
    #[serde(flatten)]
    letter: &'a DeadLetter,
}

#[derive(Clone, Copy)]
enum Deed {
    Replay,
    Drop,
}

impl JobsCommand {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let settings = args.load(Vec::new())?;
        match self {
            Self::Dead { which, limit, json } => list(&settings, &which, limit, json).await,
            Self::Replay(chosen) => change(&settings, &chosen, Deed::Replay).await,
            Self::Drop(chosen) => change(&settings, &chosen, Deed::Drop).await,
        }
    }
}

async fn list(settings: &Settings, which: &Which, limit: u32, json: bool) -> Result<ExitCode, Error> {
    let mut none = true;
    for (name, db) in which.databases(settings).await? {
        let letters = stoa_events::dead_letters(&db, which.queue.as_deref(), limit).await;
        db.close().await;
        for letter in &letters? {
            none = false;
            if json {
                say(serde_json::to_string(&Line {
                    service: name,
                    letter,
                })?);
            } else {
                say(in_words(name, letter));
            }
        }
    }
    if none && !json {
        say("no dead letters");
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(service: &str, letter: &DeadLetter) -> String {
    let given_up = letter
        .finished_at
        .map_or_else(String::new, |time| time.to_string());
    let attempts = if letter.attempts == 1 {
        "attempt"
    } else {
        "attempts"
    };
    format!(
        "{}  {service}  {}  {given_up}, after {} {attempts}: {}",
        letter.id,
        letter.queue,
        letter.attempts,
        letter.last_error.as_deref().unwrap_or("no reason was kept")
    )
}

async fn change(settings: &Settings, chosen: &Chosen, deed: Deed) -> Result<ExitCode, Error> {
    let (mut found, mut changed) = (0, 0);
    for (name, db) in chosen.which.databases(settings).await? {
        let done = chosen.apply(&db, deed).await;
        db.close().await;
        let (of_service, changed_there) = done?;
        if changed_there > 0 {
            let what = match deed {
                Deed::Replay => "put back",
                Deed::Drop => "dropped",
            };
            say(format!("{name}: {changed_there} {what}"));
        }
        found += of_service;
        changed += changed_there;
    }
    if found > changed {
        say(format!(
            "{} cannot be run again, because they are no events or changed meanwhile; see `stoa jobs dead`",
            found - changed
        ));
    }
    if chosen.all && found == 0 {
        say("no dead letters");
    }
    let missing = chosen.ids.len().saturating_sub(found);
    if missing > 0 {
        say(format!(
            "{missing} of the ids are no dead letters; see `stoa jobs dead`"
        ));
    }
    Ok(if missing > 0 || found > changed {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

impl Chosen {
    /// How many of them there were in this database, and how many of these were changed.
    async fn apply(&self, db: &Db, deed: Deed) -> Result<(usize, usize), Error> {
        let letters = stoa_events::dead_letters(db, self.which.queue.as_deref(), MOST).await?;
        let (mut found, mut changed) = (0, 0);
        for letter in letters
            .iter()
            .filter(|letter| self.all || self.ids.contains(&letter.id))
        {
            let done = match deed {
                Deed::Replay => stoa_events::replay(db, &letter.queue, letter.id).await?,
                Deed::Drop => stoa_events::discard(db, &letter.queue, letter.id).await?,
            };
            found += 1;
            changed += usize::from(done);
        }
        Ok((found, changed))
    }
}

impl Which {
    /// The databases to look at, opened.
    async fn databases(&self, settings: &Settings) -> Result<Vec<(&'static str, Db)>, Error> {
        let server: ServerConfig = settings.section("server")?;
        let names: Vec<_> = Role::with_database()
            .map(Role::name)
            .filter(|name| self.service.as_ref().is_none_or(|service| service == name))
            .collect();
        if names.is_empty() {
            let all: Vec<_> = Role::with_database().map(Role::name).collect();
            let service = self.service.as_deref().unwrap_or_default();
            return Err(format!("no service is named {service}; name one of {}", all.join(", ")).into());
        }
        let clock = stoa_kernel::Clock::system();
        let mut opened = Vec::new();
        for name in names {
            mount::database_exists(settings, name, &server.data_dir)?;
            let db = mount::database(settings, name, &server.data_dir, &clock).await?;
            if !db.pending("events", stoa_events::MIGRATIONS).await?.is_empty() {
                return Err(format!(
                    "the database of {name} is of an older version; run `stoa migrate` first"
                )
                .into());
            }
            opened.push((name, db));
        }
        Ok(opened)
    }
}
