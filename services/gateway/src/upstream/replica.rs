//! One address that a service answers at: its connections, and how it is doing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Body;
use http::uri::Authority;
use hyper::client::conn::http2;
use parking_lot::Mutex;
use stoa_edge::threads;

use super::{
    config::{Protocol, UpstreamConfig, UpstreamUrl},
    connector::Connector,
    latency::Latency,
    measured::{Measured, Outcome},
    wire::{self, Wire},
};

/// Connections that are kept without a request.
const KEPT: usize = 1024;
/// What a failure counts for as the time to an answer.
const PENALTY: Duration = Duration::from_secs(1);
/// A replica's time-out grows up to so many times the first.
const LONGEST: u32 = 16;

pub(super) struct Replica {
    pub(super) connector: Connector,
    pub(super) authority: Authority,
    pub(super) protocol: Protocol,
    /// Connections that were put aside, by the thread that drives them.
    idle: Box<[Mutex<Vec<Wire>>]>,
    pub(super) shared: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
    in_flight: AtomicUsize,
    latency: Latency,
    told: AtomicU8,
    misses: AtomicU32,
    failures: AtomicU32,
    ejected: AtomicBool,
    ejection: Mutex<Ejection>,
    pub(super) measured: Measured,
}

/// What a replica last told of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is ready, or was not asked yet.
    Ready = 0,
    /// It finishes what it has and wants nothing new.
    Draining = 1,
    /// It does not answer.
    Nothing = 2,
}

struct Ejection {
    until: Instant,
    /// How often in a row.
    times: u32,
}

/// After so many checks without an answer a replica counts as gone.
const MISSES: u32 = 2;

impl Replica {
    pub(super) fn new(service: &str, url: &UpstreamUrl, connector: Connector) -> Self {
        let measured = Measured::new(service, &connector.address().to_string());
        measured.healthy(true);
        Self {
            connector,
            authority: url.authority.clone(),
            protocol: url.protocol,
            idle: (0..threads::most()).map(|_| Mutex::default()).collect(),
            shared: tokio::sync::Mutex::new(None),
            in_flight: AtomicUsize::new(0),
            latency: Latency::new(),
            told: AtomicU8::new(Told::Ready as u8),
            misses: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejected: AtomicBool::new(false),
            ejection: Mutex::new(Ejection {
                until: Instant::now(),
                times: 0,
            }),
            measured,
        }
    }

    /// The latest connection that was put aside on this thread.
    pub(super) fn take(&self) -> Option<Wire> {
        self.idle_here().lock().pop()
    }

    fn idle_here(&self) -> &Mutex<Vec<Wire>> {
        &self.idle[threads::here() % self.idle.len()]
    }

    /// Puts a connection aside for the next request.
    pub(super) fn put(&self, mut wire: Wire) {
        if self.told() != Told::Ready {
            return;
        }
        wire.rest();
        let mut idle = self.idle_here().lock();
        if idle.len() < KEPT {
            idle.push(wire);
        }
    }

    /// Closes connections that nobody used for `time`, and forgets those that the replica closed.
    pub(super) fn sweep(&self, time: Duration) {
        for idle in &self.idle {
            idle.lock()
                .retain_mut(|wire| wire.rested() < time && wire::is_alive(wire));
        }
    }

    /// A request is on its way to it; over when the result is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// What one more request may expect.
    pub(super) fn cost(&self) -> f64 {
        self.latency.cost(self.in_flight.load(Ordering::Relaxed))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn told(&self) -> Told {
        match self.told.load(Ordering::Relaxed) {
            0 => Told::Ready,
            1 => Told::Draining,
            _ => Told::Nothing,
        }
    }

    /// Whether it is to be asked.
    pub(super) fn is_fit(&self) -> bool {
        self.told() == Told::Ready && !self.is_ejected()
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed) && {
            let over = self.ejection.lock().until <= Instant::now();
            if over {
                self.ejected.store(false, Ordering::Relaxed);
            }
            !over
        }
    }

    /// It answered a request; its head took so long.
    pub(super) fn answered(&self, took: Duration) {
        self.latency.note(took);
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// It could not be reached, or broke off without an answer. True if it is to be left alone for that.
    pub(super) fn failed(&self, outcome: Outcome, config: &UpstreamConfig) -> bool {
        self.measured.count(outcome);
        // One that refuses at once must not look like the quickest.
        self.latency.note(PENALTY);
        self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= config.eject_after
    }

    /// Leaves it alone for a while.
    pub(super) fn eject(&self, config: &UpstreamConfig) {
        let mut ejection = self.ejection.lock();
        if self.ejected.swap(true, Ordering::Relaxed) {
            return;
        }
        if ejection.until.elapsed() > config.eject_for.0 * LONGEST {
            ejection.times = 0;
        }
        let factor = 1 << ejection.times.min(LONGEST.ilog2());
        ejection.until = Instant::now() + config.eject_for.0 * factor;
        ejection.times += 1;
        self.failures.store(0, Ordering::Relaxed);
        tracing::warn!(upstream = %self.connector.address(), "a replica failed repeatedly and is left alone for a while");
    }

    /// What a check found. True if it is fit again and was not before.
    pub(super) fn tell(&self, found: Told) -> bool {
        if found == Told::Nothing && self.misses.fetch_add(1, Ordering::Relaxed) + 1 < MISSES {
            return false;
        }
        let mut missed = false;
        if found != Told::Nothing {
            missed = self.misses.swap(0, Ordering::Relaxed) > 0;
        }
        let before = self.told();
        let again = found == Told::Ready && (missed || before != Told::Ready);
        self.told.store(found as u8, Ordering::Relaxed);
        if found != Told::Ready {
            // Nothing new is to come to it by a connection that it may close any moment.
            self.idle.iter().for_each(|idle| idle.lock().clear());
        }
        if again {
            // It was down, and is another process now: what the last one did is not held against it.
            self.ejected.store(false, Ordering::Relaxed);
        }
        if before != found {
            tracing::info!(upstream = %self.connector.address(), now = ?found, "a replica changed");
        }
        again
    }

    /// In a word, for `/health`.
    pub(super) fn state(&self) -> &'static str {
        match self.told() {
            Told::Draining => "draining",
            Told::Nothing => "no answer",
            Told::Ready if self.is_ejected() => "ejected",
            Told::Ready => "ready",
        }
    }
}

/// A request under way to a replica.
pub(super) struct InFlight(Arc<Replica>);

impl InFlight {
    pub(super) fn replica(&self) -> &Replica {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
