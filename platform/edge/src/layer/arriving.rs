//! A request's body as it arrives from its caller: bounded in length, in time, and in the memory that all bodies take up.

use std::{
    collections::HashMap,
    error::Error,
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::{BoxError, body::Body};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use stoa_cache::LimitKey;
use stoa_http::{Failure, codes};
use tokio::time::{Sleep, sleep};

use crate::{codes::BODY_TOO_SLOW, config::SHARE};

/// What bodies take up that are still arriving, or being worked on.
pub(super) struct Bodies {
    max: usize,
    /// Of one address.
    share: usize,
    total: AtomicUsize,
    by_address: Mutex<HashMap<LimitKey, usize>>,
}

/// How a body has to arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long its reader waits for it in all, whatever has come.
    pub(super) grace: Duration,
    /// For each further second so many bytes must have come.
    pub(super) rate: u64,
}

impl Pace {
    /// How long the reader of so many bytes may have waited for them.
    fn patience(self, received: u64) -> Duration {
        let millis = received.saturating_mul(1000).checked_div(self.rate);
        millis.map_or(Duration::MAX, |millis| {
            self.grace.saturating_add(Duration::from_millis(millis))
        })
    }
}

/// How a body is doing; clones tell of the same one. What it holds of [`Bodies`] is given back with the last clone.
#[derive(Clone)]
pub struct Arrival(Arc<State>);

struct State {
    phase: AtomicU8,
    max: u64,
    held: Option<Held>,
}

struct Held {
    bodies: Arc<Bodies>,
    key: LimitKey,
    bytes: AtomicUsize,
}

/// What a body waits for, or why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Its reader.
    Reader,
    /// Its caller.
    Caller,
    /// Nothing: all of it has come.
    Nothing,
    TooLarge,
    TooSlow,
    NoRoom,
    Broken,
}

/// Why a body failed, for its reader.
#[derive(Debug)]
struct Failed(Phase);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the caller's body failed: {:?}", self.0)
    }
}

impl Error for Failed {}

impl Bodies {
    pub(super) fn new(max: u64) -> Arc<Self> {
        let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        Arc::new(Self {
            max: bytes(max),
            share: bytes(max / SHARE),
            total: AtomicUsize::new(0),
            by_address: Mutex::default(),
        })
    }

    fn take(&self, key: LimitKey, bytes: usize) -> bool {
        if self.total.fetch_add(bytes, Ordering::Relaxed) + bytes > self.max {
            self.total.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        let mut by_address = self.by_address.lock();
        let held = by_address.entry(key).or_default();
        if *held + bytes > self.share {
            if *held == 0 {
                by_address.remove(&key);
            }
            drop(by_address);
            self.total.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        *held += bytes;
        true
    }

    fn give_back(&self, key: LimitKey, bytes: usize) {
        self.total.fetch_sub(bytes, Ordering::Relaxed);
        let mut by_address = self.by_address.lock();
        if let Some(held) = by_address.get_mut(&key) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                by_address.remove(&key);
            }
        }
    }
}

impl Held {
    fn add(&self, bytes: usize) -> bool {
        let taken = self.bodies.take(self.key, bytes);
        if taken {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        taken
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        if bytes > 0 {
            self.bodies.give_back(self.key, bytes);
        }
    }
}

impl Arrival {
    /// Of a body of at most `max` bytes. What has come of it counts in `bodies`, if there are any.
    pub(super) fn new(max: u64, bodies: Option<(&Arc<Bodies>, IpAddr)>) -> Self {
        let held = bodies.map(|(bodies, address)| Held {
            bodies: Arc::clone(bodies),
            key: LimitKey::address(address),
            bytes: AtomicUsize::new(0),
        });
        Self(Arc::new(State {
            phase: AtomicU8::new(Phase::Reader as u8),
            max,
            held,
        }))
    }

    /// Whether the caller broke off, or did not keep to the limits.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.phase() as u8 >= Phase::TooLarge as u8
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.phase() == Phase::Nothing
    }

    /// Whether the reader of the body waits for its caller.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.phase() == Phase::Caller
    }

    /// What the caller is told of a body that failed, or on which too much time was spent.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self.phase() {
            Phase::TooLarge => too_large(self.0.max),
            Phase::NoRoom => Failure::new(codes::UNAVAILABLE)
                .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
                .cause("gateway.bodies_max is used up"),
            Phase::Broken => Failure::new(codes::MALFORMED).detail("The body ended early or is malformed."),
            Phase::TooSlow | Phase::Reader | Phase::Caller | Phase::Nothing => Failure::new(BODY_TOO_SLOW),
        }
    }

    fn phase(&self) -> Phase {
        const PHASES: [Phase; 7] = [
            Phase::Reader,
            Phase::Caller,
            Phase::Nothing,
            Phase::TooLarge,
            Phase::TooSlow,
            Phase::NoRoom,
            Phase::Broken,
        ];
        PHASES[usize::from(self.0.phase.load(Ordering::Relaxed))]
    }

    fn set(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }
}

/// 413.
pub(super) fn too_large(max: u64) -> Failure {
    Failure::new(codes::TOO_LARGE).detail(format!("At most {max} bytes are taken."))
}

/// A body under way.
pub(super) struct Arriving<B> {
    body: B,
    arrival: Arrival,
    /// None for streams, which may be silent for long.
    pace: Option<Pace>,
    received: u64,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> Arriving<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn body(body: B, arrival: Arrival, pace: Option<Pace>) -> Body {
        Body::new(Self {
            body,
            arrival,
            pace,
            received: 0,
            waited: Duration::ZERO,
            waiting: None,
        })
    }

    fn count(&mut self, bytes: usize) -> Result<(), Phase> {
        self.received += bytes as u64;
        if self.received > self.arrival.0.max {
            return Err(Phase::TooLarge);
        }
        let Some(held) = &self.arrival.0.held else {
            return Ok(());
        };
        // What came with its head needs no counting: as much was read already.
        let whole = self.received == bytes as u64 && self.body.is_end_stream();
        if whole || held.add(bytes) {
            return Ok(());
        }
        Err(Phase::NoRoom)
    }

    /// Ready once the caller has let its reader wait for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pace) = self.pace else {
            return Poll::Pending;
        };
        let left = pace.patience(self.received).saturating_sub(self.waited);
        let (_, timer) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        timer.as_mut().poll(cx)
    }

    fn fail(&mut self, phase: Phase) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.arrival.set(phase);
        Poll::Ready(Some(Err(Failed(phase).into())))
    }
}

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Poll::Ready(polled) = Pin::new(&mut this.body).poll_frame(cx) else {
            this.arrival.set(Phase::Caller);
            ready!(this.poll_late(cx));
            return this.fail(Phase::TooSlow);
        };
        if let Some((since, _)) = this.waiting.take() {
            this.waited += since.elapsed();
        }
        match polled {
            None => {
                this.arrival.set(Phase::Nothing);
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                this.arrival.set(Phase::Broken);
                Poll::Ready(Some(Err(error.into())))
            }
            Some(Ok(frame)) => {
                if let Err(phase) = this.count(frame.data_ref().map_or(0, Bytes::len)) {
                    return this.fail(phase);
                }
                this.arrival.set(if this.body.is_end_stream() {
                    Phase::Nothing
                } else {
                    Phase::Reader
                });
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_use_up_the_memory_for_all_bodies() {
        let bodies = Bodies::new(1000);
        let [one, other] =
            [1, 2].map(|end| Arrival::new(1000, Some((&bodies, IpAddr::from([192, 0, 2, end])))));
        let add = |arrival: &Arrival, bytes| arrival.0.held.as_ref().is_some_and(|held| held.add(bytes));
        assert!(add(&one, 250) && !add(&one, 1));
        assert!(add(&other, 200));
        drop(one);
        let again = Arrival::new(1000, Some((&bodies, IpAddr::from([192, 0, 2, 1]))));
        assert!(add(&again, 250), "what was held is given back");
        drop((again, other));
        assert_eq!(bodies.total.load(Ordering::Relaxed), 0);
        assert!(bodies.by_address.lock().is_empty());
    }

    #[test]
    fn the_longer_a_body_the_longer_it_may_take() {
        let pace = Pace {
            grace: Duration::from_secs(10),
            rate: 1024,
        };
        assert_eq!(pace.patience(0), Duration::from_secs(10));
        assert_eq!(pace.patience(20 * 1024), Duration::from_secs(30));
        let any = Pace { rate: 0, ..pace };
        assert_eq!(any.patience(0), Duration::MAX);
    }
}
