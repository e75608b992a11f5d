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

/// What happens on one connection.
#[derive(Clone, Default)]
pub(super) struct Activity(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Requests whose answer has not been handed over completely.
    under_way: AtomicUsize,
    /// Beginnings and ends so far.
    events: AtomicU64,
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

    /// Returns once nothing has happened for `time`, or up to half as much longer.
    pub(super) async fn idle_for(&self, time: Duration) {
        let (mut seen, mut quiet) = (0, 0);
        while quiet < 2 {
            tokio::time::sleep(time / 2).await;
            let events = self.0.events.load(Ordering::Relaxed);
            let idle = events == seen && self.0.under_way.load(Ordering::Relaxed) == 0;
            quiet = if idle { quiet + 1 } else { 0 };
            seen = events;
        }
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
        response.map(|body| Sent { body, _busy: self })
    }
}

/// The body of an answer under way.
pub(super) struct Sent {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
