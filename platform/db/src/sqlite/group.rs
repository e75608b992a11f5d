//! A group: the open outer transaction that its members share, each in a savepoint, and the connection it is open on.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{convert::engine_error, readers::Readers};
use crate::Error;

/// Turns in one group, at most: so that the first member does not wait for ever on a busy day.
const MOST_TURNS: usize = 512;
/// The longest pause between two tries while another program writes to the file.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// When the log grows beyond so many bytes it is emptied, although writers then wait for the reads that are under way. Otherwise
/// it begins anew only in a moment when nobody reads from it, and on a busy day that may never come.
const LARGEST_LOG: u64 = 64 << 20;
/// The longest that emptying such a log waits for reads.
const READS_END: Duration = Duration::from_secs(1);
/// The longest that emptying any other waits for them.
const MOMENT: Duration = Duration::from_millis(20);
/// The largest file that is written anew to remove what was deleted. It takes a second for about 200 MiB, and as much memory.
const SHREDDED: i64 = 32 << 20;

/// Tells a member how its group ended.
pub(crate) type Outcome = oneshot::Receiver<Result<(), Error>>;

pub(super) struct Group {
    connection: Connection,
    /// To hear of each commit.
    readers: Arc<Readers>,
    /// Whether the outer transaction has begun.
    open: bool,
    members: Vec<Member>,
    /// Turns taken since it began, those included whose work was taken back.
    turns: usize,
    log: PathBuf,
    /// Size at which the log is emptied.
    empty_at: u64,
    /// A member has deleted what must not stay in the files. Until they are shredded.
    pub(super) shred: bool,
}

struct Member {
    told: oneshot::Sender<Result<(), Error>>,
    /// To be counted up once the group is on the disk.
    signals: Option<watch::Sender<u64>>,
}

impl Group {
    pub(super) fn new(connection: Connection, readers: Arc<Readers>) -> Self {
        let log = PathBuf::from(format!("{}-wal", connection.path().unwrap_or_default()));
        Self {
            connection,
            readers,
            open: false,
            members: Vec::new(),
            turns: 0,
            log,
            empty_at: LARGEST_LOG,
            shred: false,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_full(&self) -> bool {
        self.turns >= MOST_TURNS
    }

    /// Opens the outer transaction if this turn is its first, and a savepoint in it. Waits without holding up the thread
    /// while another program writes.
    pub(super) async fn enter(&mut self, wait: Duration) -> Result<(), Error> {
        if !self.open {
            let (mut pause, mut waited) = (Duration::from_millis(1), Duration::ZERO);
            while let Err(error) = run(&self.connection, "BEGIN IMMEDIATE") {
                if !matches!(error, Error::Busy) || waited >= wait {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
                waited += pause;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            self.open = true;
        }
        self.turns += 1;
        run(&self.connection, "SAVEPOINT member")
    }

    /// Whether somebody else's work is in the group, which is seen and not on the disk yet.
    pub(super) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// How the group will have ended, for somebody who has seen its work and adds none.
    pub(super) fn watch(&mut self) -> Outcome {
        let (told, outcome) = oneshot::channel();
        self.members.push(Member { told, signals: None });
        outcome
    }

    /// Makes the savepoint's work the group's.
    pub(super) fn keep(&mut self, signals: Option<watch::Sender<u64>>) -> Result<Outcome, Error> {
        if let Err(error) = run(&self.connection, "RELEASE member") {
            self.take_back(Some(error.clone()));
            return Err(error);
        }
        let (told, outcome) = oneshot::channel();
        self.members.push(Member { told, signals });
        Ok(outcome)
    }

    /// Takes back the savepoint's work, and that alone. Some failures, such as a full disk, make SQLite roll back the whole
    /// outer transaction: then its members are told, by the failure that it was.
    pub(super) fn take_back(&mut self, failure: Option<Error>) {
        let undone = !self.connection.is_autocommit()
            && run(&self.connection, "ROLLBACK TO member")
                .and_then(|()| run(&self.connection, "RELEASE member"))
                .is_ok();
        if !undone {
            self.roll_back();
            self.end(&Err(match failure {
                Some(failure @ (Error::Full | Error::ReadOnly(_) | Error::Engine(_))) => failure,
                _ => Error::Conflict,
            }));
        }
    }

    /// Commits, and only then tells the members. Blocks: for a thread of blocking work.
    pub(super) fn commit(&mut self) {
        if !self.open {
            return;
        }
        let outcome = run(&self.connection, "COMMIT");
        match &outcome {
            Ok(()) => self.readers.committed(),
            Err(_) => self.roll_back(),
        }
        self.end(&outcome);
        self.watch_log();
    }

    fn watch_log(&mut self) {
        let size = fs::metadata(&self.log).map_or(0, |log| log.len());
        if size > self.empty_at {
            // A reader that does not end must not stop every commit: then it is tried again when as much has been added.
            self.empty_at = if self.readers.without_snapshots(|| self.empty_log(READS_END)) {
                LARGEST_LOG
            } else {
                size + LARGEST_LOG
            };
        }
    }

    /// Removes from the files what was deleted: the log keeps it until it is emptied, and so do copies that were left in the slack
    /// of pages when these were split. False if reads stood in the way, or something else: it may be tried again.
    pub(super) fn tidy(&mut self) -> bool {
        if self.open {
            return false;
        }
        if self.shred && self.is_small() {
            // With temp_store = MEMORY, so that nothing is written to a third file.
            if let Err(error) = self.connection.execute_batch("VACUUM") {
                tracing::warn!(%error, "what was deleted could not be removed from the file; trying again");
                return false;
            }
            self.readers.committed();
        }
        let emptied = self.readers.without_snapshots(|| self.empty_log(MOMENT));
        if emptied {
            self.shred = false;
            self.empty_at = LARGEST_LOG;
        }
        emptied
    }

    fn is_small(&self) -> bool {
        let pragma = |name: &str| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let size = pragma("page_count").and_then(|count| Ok(count * pragma("page_size")?));
        size.is_ok_and(|size| size <= SHREDDED)
    }

    fn empty_log(&self, wait: Duration) -> bool {
        let emptied = self.connection.busy_timeout(wait).and_then(|()| {
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        });
        let _ = self.connection.busy_timeout(Duration::ZERO);
        matches!(emptied, Ok(0))
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a group could not be rolled back");
        }
    }

    fn end(&mut self, outcome: &Result<(), Error>) {
        self.open = false;
        self.turns = 0;
        // All members are of one database, so one of them wakes the watchers for all.
        if outcome.is_ok()
            && let Some(signals) = self.members.iter().find_map(|member| member.signals.as_ref())
        {
            signals.send_modify(|count| *count += 1);
        }
        for member in self.members.drain(..) {
            // Who has gone since does not hear of it; the work is kept all the same.
            let _ = member.told.send(outcome.clone());
        }
    }
}

fn run(connection: &Connection, sql: &'static str) -> Result<(), Error> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .map(drop)
        .map_err(engine_error)
}
