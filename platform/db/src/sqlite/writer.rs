//! The one write connection and the line of those who wait for it.
//!
//! Whoever holds the [`Turn`] holds the connection and the group that is open on it. A turn that ends goes to the next in
//! line; when nobody is waiting, or the group has its fill, it goes to the committer, a thread of its own, which commits
//! and only then tells the members. Everything happens in `Drop`, so a task that is cancelled at any point passes its turn
//! on as any other: also when the turn was on its way to it, for then it is dropped with the channel that it lies in.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{
    group::{Group, Outcome},
    readers::Readers,
};
use crate::{Error, waits::Waits};

/// How often the files are tidied, as long as something is written.
const TIDY: Duration = Duration::from_secs(10);

/// Hands out turns.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

struct Shared {
    line: Mutex<Line>,
    waits: Waits,
    committer: Mutex<Option<mpsc::Sender<Group>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
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
    pub(super) fn new(connection: Connection, readers: Arc<Readers>, waits: Waits) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel::<Group>();
        let line = Line {
            idle: Some(Group::new(connection, readers)),
            waiting: VecDeque::new(),
            closed: false,
        };
        let writer = Self(Arc::new(Shared {
            line: Mutex::new(line),
            waits,
            committer: Mutex::new(Some(sender)),
            thread: Mutex::new(None),
        }));
        // Weak, so that the thread does not keep the database open.
        let shared = Arc::downgrade(&writer.0);
        let thread = thread::Builder::new()
            .name("sqlite-commit".to_owned())
            .spawn(move || commit_groups(&receiver, &shared));
        *writer.0.thread.lock() =
            Some(thread.map_err(|e| Error::Open(format!("no thread for commits: {e}")))?);
        Ok(writer)
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

    fn commit(&self, group: Group) {
        let sent = match &*self.0.committer.lock() {
            Some(committer) => committer.send(group).map_err(|unsent| unsent.0),
            None => Err(group),
        };
        // Only once closed is there no committer.
        if let Err(mut group) = sent {
            group.commit();
        }
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
        self.0.committer.lock().take();
        let thread = self.0.thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// The committer's work: commits groups, and in between, so that what was deleted does not stay there, tidies the files.
fn commit_groups(receiver: &mpsc::Receiver<Group>, shared: &Weak<Shared>) {
    let mut tidied = Instant::now();
    // What an earlier process left in the log counts, too.
    let mut written = true;
    loop {
        let received = if written {
            receiver.recv_timeout(TIDY.saturating_sub(tidied.elapsed()))
        } else {
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let committed = match received {
            Ok(mut group) => {
                group.commit();
                written = true;
                Some(group)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Some(writer) = shared.upgrade().map(Writer) else {
            return;
        };
        // If it is somebody's turn, the group is soon here.
        let Some(mut group) = committed.or_else(|| writer.0.line.lock().idle.take()) else {
            tidied = Instant::now();
            continue;
        };
        if tidied.elapsed() >= TIDY {
            let shredded = group.shred;
            // Once more after it was shredded: jobs and events that name what was deleted go soon after it.
            written = !group.tidy() || shredded;
            tidied = Instant::now();
        }
        writer.next(group);
    }
}

fn closed() -> Error {
    Error::Engine("the database is closed".to_owned())
}

impl Turn {
    pub(super) fn group(&mut self) -> Result<&mut Group, Error> {
        self.group.as_mut().ok_or(Error::TxFailed)
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
