//! The one write connection and the line of those who wait for it.
//!
//! Whoever holds the [`Turn`] holds the connection and the group that is open on it. A turn that ends goes to the next in
//! line; when nobody is waiting, or the group has its fill, a thread of the runtime's for blocking work commits it
//! and only then tells the members. Everything happens in `Drop`, so a task that is cancelled at any point passes its turn
//! on as any other: also when the turn was on its way to it, for then it is dropped with the channel that it lies in.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};

use super::{
    group::{Group, Outcome},
    readers::Readers,
};
use crate::{Error, waits::Waits};

/// How long after a commit the files are tidied.
const TIDY: Duration = Duration::from_secs(10);

/// Hands out turns.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    line: Mutex<Line>,
    waits: Waits,
    runtime: Handle,
    /// Something was written since the files were tidied, and a task is there to tidy them.
    tidying: AtomicBool,
}

struct Line {
    /// The connection, when nobody holds it and no group is open.
    idle: Option<Group>,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    closed: bool,
}

/// The right to write, until it is dropped.
pub(super) struct Turn {
    /// None only once it was passed on.
    group: Option<Group>,
    writer: Writer,
}

impl Writer {
    /// To be called within a runtime, which the commits are made by.
    pub(super) fn new(connection: Connection, readers: Arc<Readers>, waits: Waits) -> Self {
        let line = Line {
            idle: Some(Group::new(connection, readers)),
            waiting: VecDeque::new(),
            closed: false,
        };
        let writer = Self(Arc::new(Shared {
            line: Mutex::new(line),
            waits,
            runtime: Handle::current(),
            tidying: AtomicBool::new(false),
        }));
        // What an earlier process left in the log counts, too.
        writer.tidy_later();
        writer
    }

    /// Waits for a turn, at most so long.
    pub(super) async fn turn(&self, wait: Duration) -> Result<Turn, Error> {
        let receiver = {
            let mut line = self.0.line.lock();
            if line.closed {
                return Err(closed());
            }
            if let Some(group) = line.idle.take() {
                drop(line);
                self.0.waits.none();
                return Ok(self.hold(group));
            }
            let (sender, receiver) = oneshot::channel();
            line.waiting.push_back(sender);
            receiver
        };
        let _waiting = self.0.waits.begin();
        match tokio::time::timeout(wait, receiver).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(Error::Busy),
        }
    }

    fn hold(&self, group: Group) -> Turn {
        Turn {
            group: Some(group),
            writer: self.clone(),
        }
    }

    /// Hands the connection to the next in line, or has the group committed, or lays the connection down.
    fn next(&self, mut group: Group) {
        loop {
            let mut line = self.0.line.lock();
            let next = if group.is_full() {
                None
            } else {
                line.waiting.pop_front()
            };
            let Some(next) = next else {
                if group.is_open() {
                    drop(line);
                    self.commit(group);
                } else if !line.closed {
                    line.idle = Some(group);
                }
                return;
            };
            drop(line);
            // Whoever has gone since gives the turn back here; it must not pass itself on by its drop.
            match next.send(self.hold(group)) {
                Ok(()) => return,
                Err(mut turn) => match turn.group.take() {
                    Some(back) => group = back,
                    None => return,
                },
            }
        }
    }

    fn commit(&self, mut group: Group) {
        let writer = self.clone();
        self.0.runtime.spawn_blocking(move || {
            group.commit();
            writer.next(group);
            writer.tidy_later();
        });
    }

    /// Has the files tidied in a while, so that what was deleted does not stay there.
    fn tidy_later(&self) {
        if self.0.tidying.swap(true, Ordering::AcqRel) {
            return;
        }
        // Weak, so that the task does not keep the database open.
        let shared = Arc::downgrade(&self.0);
        self.0.runtime.spawn(async move {
            loop {
                tokio::time::sleep(TIDY).await;
                let Some(writer) = shared.upgrade().map(Self) else {
                    return;
                };
                match writer.turn(TIDY).await {
                    Ok(turn) => {
                        writer.0.runtime.spawn_blocking(move || turn.tidy());
                        return;
                    }
                    // Much is being written: then it is tidied later.
                    Err(Error::Busy) => {}
                    Err(_) => return,
                }
            }
        });
    }

    /// Refuses new turns, waits for what is under way, and closes the connection.
    pub(super) async fn close(&self) {
        let last = self.turn(Duration::from_secs(30)).await;
        {
            let mut line = self.0.line.lock();
            line.closed = true;
            line.waiting.clear();
        }
        if let Ok(mut turn) = last
            && let Some(mut group) = turn.group.take()
        {
            let closing = tokio::task::spawn_blocking(move || {
                group.commit();
                // What fails here is made good by the next who opens the file.
                let _ = group
                    .connection()
                    .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            });
            let _ = closing.await;
        }
    }
}

fn closed() -> Error {
    Error::Engine("the database is closed".to_owned())
}

impl Turn {
    pub(super) fn group(&mut self) -> Result<&mut Group, Error> {
        self.group.as_mut().ok_or(Error::TxFailed)
    }

    /// Commits what is open, tidies the files, and passes the turn on. Blocks.
    fn tidy(mut self) {
        let Some(mut group) = self.group.take() else {
            return;
        };
        group.commit();
        self.writer.0.tidying.store(false, Ordering::Release);
        let shredded = group.shred;
        let tidied = group.tidy();
        self.writer.next(group);
        // Once more after it was shredded: jobs and events that name what was deleted go soon after it.
        if !tidied || shredded {
            self.writer.tidy_later();
        }
    }

    /// Keeps the savepoint's work in the group, passes the turn on, and returns how the group will have ended.
    pub(super) fn join(mut self, signals: Option<watch::Sender<u64>>, shred: bool) -> Result<Outcome, Error> {
        let group = self.group()?;
        group.shred |= shred;
        group.keep(signals)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            self.writer.next(group);
        }
    }
}
