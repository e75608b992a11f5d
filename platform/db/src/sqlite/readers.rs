//! Connections that read, each used by one task at a time.
//!
//! To begin and end a read, SQLite takes and gives back a lock by system calls, under a mutex that all connections of the
//! file share: as long as nothing is written, that is most of what a short read costs. So a reader keeps its snapshot from
//! one read to the next, until something is committed. What another program commits is seen after [`FRESH`].

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Error;

/// The longest that a snapshot is kept: so late is the commit of another program seen.
const FRESH: Duration = Duration::from_millis(5);

pub(super) struct Readers {
    idle: Mutex<Vec<Snapshots>>,
    /// As many permits as connections lie idle.
    free: Semaphore,
    /// Groups committed by this process so far.
    commits: AtomicU64,
    /// False while the log is to be emptied, for which nobody may hold a snapshot.
    keeping: AtomicBool,
}

/// A connection and the snapshot that it holds.
struct Snapshots {
    connection: Connection,
    /// Since when, if it holds one.
    held: Option<Instant>,
    /// How many groups had been committed at the last read.
    commits: u64,
}

/// A connection, given back when dropped.
pub(super) struct Reader<'a> {
    snapshots: Option<Snapshots>,
    readers: &'a Readers,
    // Given back after the connection: fields are dropped after the struct's own `drop`.
    _permit: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let idle = connections.into_iter().map(|connection| Snapshots {
            connection,
            held: None,
            commits: 0,
        });
        let idle: Vec<_> = idle.collect();
        Self {
            free: Semaphore::new(idle.len()),
            idle: Mutex::new(idle),
            commits: AtomicU64::new(1),
            keeping: AtomicBool::new(true),
        }
    }

    /// Waits for a connection, at most so long.
    pub(super) async fn take(&self, wait: Duration) -> Result<Reader<'_>, Error> {
        let permit = match self.free.try_acquire() {
            Ok(permit) => permit,
            Err(_) => match tokio::time::timeout(wait, self.free.acquire()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) => return Err(Error::Engine("the database is closed".to_owned())),
                Err(_) => return Err(Error::Busy),
            },
        };
        let mut snapshots = self.idle.lock().pop().ok_or(Error::Busy)?;
        snapshots.ready(
            self.commits.load(Ordering::Acquire),
            self.keeping.load(Ordering::Acquire),
        );
        Ok(Reader {
            snapshots: Some(snapshots),
            readers: self,
            _permit: permit,
        })
    }

    /// To be called after each commit and before anybody is told of it: from now on nobody reads from before it, and no idle
    /// reader keeps the log from beginning anew.
    pub(super) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::AcqRel);
        self.idle.lock().iter_mut().for_each(Snapshots::let_go);
    }

    /// Runs `work` while no snapshot is kept from one read to the next.
    pub(super) fn without_snapshots<T>(&self, work: impl FnOnce() -> T) -> T {
        self.keeping.store(false, Ordering::Release);
        self.idle.lock().iter_mut().for_each(Snapshots::let_go);
        let done = work();
        self.keeping.store(true, Ordering::Release);
        done
    }

    pub(super) fn close(&self) {
        self.free.close();
        self.idle.lock().clear();
    }
}

impl Snapshots {
    /// Makes ready for a read that sees everything up to `commits`. The count is taken before the snapshot, so what is
    /// committed between the two is seen early and never late.
    fn ready(&mut self, commits: u64, keeping: bool) {
        let as_before = self.commits == commits;
        self.commits = commits;
        if self
            .held
            .is_some_and(|since| as_before && since.elapsed() < FRESH)
        {
            return;
        }
        self.let_go();
        // Only from the second read between two commits on: where much is written there is nothing to keep.
        if keeping && as_before && self.say("BEGIN") {
            self.held = Some(Instant::now());
        }
    }

    fn let_go(&mut self) {
        if self.held.take().is_some() && !self.say("COMMIT") {
            // A failed read may have ended it already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn say(&self, sql: &'static str) -> bool {
        let said = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute());
        said.is_ok()
    }
}

impl Reader<'_> {
    /// Runs a read. One that fails leaves no snapshot behind.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let snapshots = self.snapshots.as_mut().ok_or(Error::Busy)?;
        let result = read(&snapshots.connection);
        if result.is_err() {
            snapshots.let_go();
        }
        result
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Some(mut snapshots) = self.snapshots.take() else {
            return;
        };
        let mut idle = self.readers.idle.lock();
        // Under the lock: a commit either is counted here, or finds the connection idle.
        let outdated = self.readers.commits.load(Ordering::Acquire) != snapshots.commits;
        if outdated || !self.readers.keeping.load(Ordering::Acquire) {
            snapshots.let_go();
        }
        if !self.readers.free.is_closed() {
            idle.push(snapshots);
        }
    }
}
