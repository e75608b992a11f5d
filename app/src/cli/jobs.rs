//! `stoa jobs`: what to do about dead letters.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use futures::future::try_join_all;
use serde::Serialize;
use stoa_config::Settings;
use stoa_db::Db;
use stoa_events::{DeadLetter, DeadPosition, EventId};

use super::say;
use crate::{
    mount::{self, Error},
    services::KnownService,
    settings::{ServerConfig, SettingsArgs},
};

/// Dead letters read at once.
const BATCH: u32 = 1000;
/// Of those, how many are changed at once.
const TOGETHER: usize = 50;

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List dead letters, oldest first: jobs and events whose last attempt failed
    ///
    /// A dead letter holds nothing up. It is kept for 90 days with all that is needed to run it again. The error of its last
    /// attempt says what to mend; then put it back with `stoa jobs replay`, or delete it with `stoa jobs drop`.
    ///
    /// May run beside a serving stoa.
    #[command(
        after_help = "Examples:\n  stoa jobs dead\n  stoa jobs dead --service notifications --queue notifications.send --json"
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
    /// May run beside a serving stoa, which takes them up within seconds. Exit code 2 if one of the ids is not that of a dead letter.
    #[command(
        override_usage = "stoa jobs replay [OPTIONS] <ID>...\n       stoa jobs replay [OPTIONS] --all",
        after_help = "Examples:\n  stoa jobs replay 01a1fd28-cef2-78a7-bb09-fb0fd931cf29\n  \
                            stoa jobs replay --all --queue notifications.send"
    )]
    Replay(Chosen),
    /// Delete dead letters
    ///
    /// What a deleted one was to do is not done. May run beside a serving stoa. Exit code 2 if one of the ids is not that of a dead
    /// letter.
    #[command(
        override_usage = "stoa jobs drop [OPTIONS] <ID>...\n       stoa jobs drop [OPTIONS] --all",
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
    /// Only those of this queue, such as notifications.send
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
enum Action {
    Replay,
    Drop,
}

/// What was done.
#[derive(Default)]
struct Done {
    /// Ids of dead letters that there were, each once for each queue.
    found: Vec<EventId>,
    /// How many there were.
    count: usize,
    /// How many of them were changed.
    changed: usize,
}

impl JobsCommand {
    pub(crate) async fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let settings = args.load(Vec::new())?;
        match self {
            Self::Dead { which, limit, json } => list(&settings, &which, limit, json).await,
            Self::Replay(chosen) => change(&settings, &chosen, Action::Replay).await,
            Self::Drop(chosen) => change(&settings, &chosen, Action::Drop).await,
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

async fn change(settings: &Settings, chosen: &Chosen, action: Action) -> Result<ExitCode, Error> {
    let mut all = Done::default();
    for (name, db) in chosen.which.databases(settings).await? {
        let done = chosen.apply(&db, action).await;
        db.close().await;
        let done = done?;
        if done.changed > 0 {
            let what = match action {
                Action::Replay => "put back",
                Action::Drop => "dropped",
            };
            say(format!("{name}: {} {what}", done.changed));
        }
        all.found.extend(done.found);
        all.count += done.count;
        all.changed += done.changed;
    }
    let unchanged = all.count - all.changed;
    if unchanged > 0 {
        say(format!(
            "{unchanged} cannot be run again, because they are not events or changed meanwhile; see `stoa jobs dead`"
        ));
    }
    if chosen.all && all.count == 0 {
        say("no dead letters");
    }
    let missing = chosen.ids.iter().filter(|id| !all.found.contains(id));
    let missing = missing
        .map(|id| say(format!("{id} is not a dead letter; see `stoa jobs dead`")))
        .count();
    Ok(if missing > 0 || unchanged > 0 {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

impl Chosen {
    async fn apply(&self, db: &Db, action: Action) -> Result<Done, Error> {
        let mut done = Done::default();
        for id in &self.ids {
            let letters = stoa_events::dead_letters_of(db, *id).await?;
            let of_queue = |letter: &&DeadLetter| self.which.has(letter);
            for letter in letters.iter().filter(of_queue) {
                done.found.push(letter.id);
                done.count += 1;
                done.changed += usize::from(apply(db, letter, action).await?);
            }
        }
        if self.all {
            self.apply_to_all(db, action, &mut done).await?;
        }
        Ok(done)
    }

    /// In batches. What fails again meanwhile is not taken a second time.
    async fn apply_to_all(&self, db: &Db, action: Action, done: &mut Done) -> Result<(), Error> {
        let (begun, queue) = (db.clock().now(), self.which.queue.as_deref());
        let mut after = None;
        loop {
            let letters = stoa_events::dead_letters_after(db, queue, after.as_ref(), begun, BATCH).await?;
            // Side by side, so that SQLite writes them to the disk together.
            for some in letters.chunks(TOGETHER) {
                let changed = some.iter().map(|letter| apply(db, letter, action));
                let changed = try_join_all(changed).await?;
                done.count += changed.len();
                done.changed += changed.into_iter().filter(|changed| *changed).count();
            }
            after = letters.last().and_then(DeadPosition::behind);
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Whether the letter was still there and could be changed.
async fn apply(db: &Db, letter: &DeadLetter, action: Action) -> Result<bool, Error> {
    Ok(match action {
        Action::Replay => stoa_events::replay(db, &letter.queue, letter.id).await?,
        Action::Drop => stoa_events::drop_dead(db, &letter.queue, letter.id).await?,
    })
}

impl Which {
    fn has(&self, letter: &DeadLetter) -> bool {
        self.queue.as_ref().is_none_or(|queue| *queue == letter.queue)
    }

    /// The databases to look at, opened.
    async fn databases(&self, settings: &Settings) -> Result<Vec<(&'static str, Db)>, Error> {
        let server: ServerConfig = settings.section("server")?;
        let names: Vec<_> = KnownService::with_database()
            .map(KnownService::name)
            .filter(|name| self.service.as_ref().is_none_or(|service| service == name))
            .collect();
        if names.is_empty() {
            let all: Vec<_> = KnownService::with_database().map(KnownService::name).collect();
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
