//! The body of an answer on its way through.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{replica::InFlight, wire::Wire};

/// An answer's body. Who reads it drives the connection that it comes by; at its end the connection is put aside.
pub(super) struct Relayed {
    body: Incoming,
    /// None for a connection that drives itself, and at the end.
    wire: Option<Wire>,
    flight: Option<InFlight>,
}

impl Relayed {
    pub(super) fn new(body: Incoming, wire: Option<Wire>, flight: InFlight) -> Self {
        Self {
            body,
            wire,
            flight: Some(flight),
        }
    }

    /// All of the body has come. A connection that still has something to write is closed: the replica did not want it.
    fn settle(&mut self, cx: &mut Context<'_>) {
        let Some(flight) = self.flight.take() else { return };
        if let Some(mut wire) = self.wire.take()
            && wire.is_free(cx)
        {
            flight.replica().put(wire);
        }
    }

    /// As a body; an empty one lets go of its connection at once.
    pub(super) async fn into_body(mut self) -> axum::body::Body {
        if !self.body.is_end_stream() {
            return axum::body::Body::new(self);
        }
        std::future::poll_fn(|cx| {
            self.settle(cx);
            Poll::Ready(())
        })
        .await;
        axum::body::Body::empty()
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        if let Some(wire) = &mut this.wire {
            wire.drive(cx);
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Err(_))) => (this.wire, this.flight) = (None, None),
            Poll::Ready(None) => this.settle(cx),
            Poll::Ready(Some(Ok(_))) => {
                if this.body.is_end_stream() {
                    this.settle(cx);
                }
            }
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
