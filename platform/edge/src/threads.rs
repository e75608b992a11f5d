//! Threads that each drive connections by themselves.
//!
//! In a process that only passes requests on, nothing holds a thread up. There each connection stays on one thread, and so do
//! those to upstreams that its requests take: what crosses from thread to thread costs more than it evens out.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// One for each of [`Threads`] that drives connections in this process; 0 for all other threads.
#[must_use]
pub fn here() -> usize {
    HERE.get()
}

/// How many different answers [`here`] has at most in a process that serves once.
#[must_use]
pub fn most() -> usize {
    1 + thread::available_parallelism().map_or(1, usize::from)
}

/// They end when this is dropped, and what they still drive with them.
#[derive(Default)]
pub(crate) struct Threads(Vec<Thread>);

struct Thread {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    _ends: oneshot::Sender<()>,
}

impl Threads {
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        (1..=count)
            .map(Thread::start)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Assigns a connection to the thread with the fewest; none if there are no threads.
    pub(crate) fn assign(&self) -> Option<Assignment> {
        let least = self
            .0
            .iter()
            .min_by_key(|thread| thread.connections.load(Ordering::Relaxed))?;
        least.connections.fetch_add(1, Ordering::Relaxed);
        Some(Assignment {
            runtime: least.runtime.clone(),
            connections: Arc::clone(&least.connections),
        })
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(format!("connections-{number}"))
            .spawn(move || {
                HERE.set(number);
                // Nothing is ever sent; the sender is dropped.
                let _ = runtime.block_on(ended);
            })?;
        Ok(Self {
            runtime: handle,
            connections: Arc::default(),
            _ends: ends,
        })
    }
}

/// One connection's on a thread, given back when dropped.
pub(crate) struct Assignment {
    pub(crate) runtime: Handle,
    connections: Arc<AtomicUsize>,
}

impl Drop for Assignment {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
