//! One HTTP/1 connection to a replica, driven by the task of the request that uses it.
//!
//! A connection with a task of its own costs two wake-ups across threads for each request. Here the request that waits for the answer
//! polls the connection itself; between requests nobody does, and the next request finds out whether it still is one.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
use http::Request;
use hyper::{
    Response,
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;

use super::{connector::Connector, outlived::Outlived};

/// What is read of a replica's answer at once: also the bound of its head.
const BUFFER: usize = 256 * 1024;
/// Headers in an answer.
const HEADERS: usize = 256;

/// Boxed: it moves at each request.
pub(super) struct Wire(Box<Line>);

struct Line {
    sender: http1::SendRequest<Body>,
    /// None once it is closed.
    connection: Option<http1::Connection<TokioIo<Outlived>, Body>>,
    /// When it was last put aside.
    rested: Instant,
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The connection was closed before any of the request was written; here it is again.
    Unsent(Box<Request<Body>>, hyper::Error),
    /// The request was written, at least in part.
    Lost(hyper::Error),
}

pub(super) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Requests have small bodies or none: copied behind their head, they go out by the cheaper call.
    builder.max_buf_size(BUFFER).max_headers(HEADERS).writev(false);
    builder
}

impl Wire {
    pub(super) async fn open(connector: &Connector, patience: Duration) -> io::Result<Self> {
        let stream = connector.connect(patience).await?;
        let (sender, connection) = builder()
            .handshake(TokioIo::new(Outlived::new(stream)))
            .await
            .map_err(io::Error::other)?;
        Ok(Self(Box::new(Line {
            sender,
            connection: Some(connection),
            rested: Instant::now(),
        })))
    }

    /// Puts it aside.
    pub(super) fn rest(&mut self) {
        self.0.rested = Instant::now();
    }

    /// For how long it has been put aside.
    pub(super) fn rested(&self) -> Duration {
        self.0.rested.elapsed()
    }

    /// Lets the connection go on.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            // Its errors are told to who waits for the answer.
            self.0.connection = None;
        }
    }

    /// Whether it can take a request; drives it first.
    pub(super) fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.0.connection.is_some() && self.0.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Unanswered> {
        let line = &mut *self.0;
        let mut answer = pin!(line.sender.try_send_request(request));
        let connection = &mut line.connection;
        let answer = poll_fn(|cx| {
            if let Some(driven) = connection
                && Pin::new(driven).poll(cx).is_ready()
            {
                *connection = None;
            }
            answer.as_mut().poll(cx)
        });
        answer.await.map_err(Unanswered::of)
    }
}

impl Unanswered {
    pub(super) fn of(mut error: TrySendError<Request<Body>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request), error.into_error()),
            None => Self::Lost(error.into_error()),
        }
    }
}

/// Whether a connection that was put aside is still one, for who does not wait for it.
pub(super) fn is_alive(wire: &mut Wire) -> bool {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    wire.is_free(&mut cx)
}

/// [`Wire::is_free`] for the current task.
pub(super) async fn is_free(wire: &mut Wire) -> bool {
    poll_fn(|cx| Poll::Ready(wire.is_free(cx))).await
}
