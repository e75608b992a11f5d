//! Whether a connection is in use, known without a timer for each request.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::sleep;

/// What happens on one connection.
#[derive(Clone, Default)]
pub(super) struct Activity(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Requests whose answer has not been handed over completely.
    under_way: AtomicUsize,
    /// Beginnings and ends so far.
    events: AtomicU64,
    /// Answers of which there is more once the caller has taken what it was handed: those of this period, and of the last.
    unread: [AtomicUsize; 2],
    period: AtomicUsize,
}

/// A request under way.
pub(super) struct Busy(Arc<Counts>);

impl Activity {
    /// A request begins; it is over when the result is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        self.0.events.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.0))
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.0.under_way.load(Ordering::Relaxed) == 0
    }

    /// Whether there ever was a request.
    pub(super) fn was_used(&self) -> bool {
        self.0.events.load(Ordering::Relaxed) > 0
    }

    /// Returns once the connection is of no use to anybody: there was no request within `head`; or nothing has happened for
    /// `idle`, or up to half as much longer; or the caller has not read on in an answer for half of `idle`, or up to twice as
    /// long.
    pub(super) async fn spent(&self, head: Duration, idle: Duration) {
        sleep(head).await;
        if !self.was_used() {
            return;
        }
        let (mut seen, mut quiet) = (0, 0);
        while quiet < 2 && !self.is_unread() {
            sleep(idle / 2).await;
            let events = self.0.events.load(Ordering::Relaxed);
            quiet = if events == seen && self.is_idle() {
                quiet + 1
            } else {
                0
            };
            seen = events;
        }
    }

    /// Begins a new period. True if there is an answer of the one before the last that its caller has not read on in since.
    fn is_unread(&self) -> bool {
        let next = self.0.period.load(Ordering::Relaxed) ^ 1;
        if self.0.unread[next].load(Ordering::Relaxed) > 0 {
            return true;
        }
        self.0.period.store(next, Ordering::Relaxed);
        false
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.events.fetch_add(1, Ordering::Relaxed);
    }
}

impl Busy {
    /// The answer, which keeps the connection busy until all of it has been handed over.
    pub(super) fn until_sent(self, response: Response) -> http::Response<Sent> {
        response.map(|body| {
            let mut sent = Sent {
                body,
                busy: self,
                unread: None,
            };
            sent.hand_over();
            sent
        })
    }
}

/// The body of an answer under way.
pub(super) struct Sent {
    body: Body,
    busy: Busy,
    /// The period in which it became the caller's turn.
    unread: Option<usize>,
}

impl Sent {
    /// It is the caller's turn: there is more once it has taken what there is.
    fn hand_over(&mut self) {
        if !http_body::Body::is_end_stream(&self.body) {
            let counts = &self.busy.0;
            let period = counts.period.load(Ordering::Relaxed);
            counts.unread[period].fetch_add(1, Ordering::Relaxed);
            self.unread = Some(period);
        }
    }

    fn taken(&mut self) {
        if let Some(period) = self.unread.take() {
            self.busy.0.unread[period].fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.taken();
    }
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.taken();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = &polled {
            self.hand_over();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
