//! What is left of a body that was refused is read and thrown away for a while. A connection that is closed on a caller who is still
//! sending takes the answer from them: they see a broken connection instead.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

/// How long unread bytes of a request are drained.
const LINGER: Duration = Duration::from_secs(10);
/// How much of it, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// A body that is read on when it is dropped before its end.
pub(super) struct Lingering {
    body: Option<Incoming>,
    /// Whether its caller sends it. Who expects `100 Continue` sends nothing before somebody reads.
    sent: bool,
    awaited: Awaited,
}

/// Whether the caller of a request waits for `100 Continue` before it sends the body.
pub(super) struct Awaited(Option<Arc<AtomicBool>>);

impl Lingering {
    /// The request with such a body. On HTTP/2 a body ends without its connection.
    pub(super) fn of(request: Request<Incoming>) -> (Request<Self>, Awaited) {
        let (parts, body) = request.into_parts();
        // Most have no body.
        let body = Some(body).filter(|body| !body.is_end_stream());
        let bound = body.is_some() && parts.version < Version::HTTP_2;
        let waits = bound && parts.headers.contains_key(header::EXPECT);
        let awaited = Awaited(waits.then(Arc::default));
        let lingering = Self {
            body,
            sent: bound && !waits,
            awaited: Awaited(awaited.0.clone()),
        };
        (Request::from_parts(parts, lingering), awaited)
    }
}

impl Awaited {
    /// Has the answer say that it is the last of its connection, if nothing has come of the body: a caller that does not send it now might
    /// send its next request, which would be read as the body.
    pub(super) fn close(self, response: &mut Response) {
        let is_open = self.0.is_some_and(|came| !came.load(Ordering::Relaxed));
        if is_open && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }

    fn came(&self) {
        if let Some(came) = &self.0 {
            came.store(true, Ordering::Relaxed);
        }
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        // Now the caller is asked for it.
        this.sent |= this.awaited.0.is_some();
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_)) | None) = polled {
            this.awaited.came();
        }
        if let Poll::Ready(Some(Err(_)) | None) = polled {
            this.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| self.sent && !body.is_end_stream());
        if let (Some(body), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(timeout(LINGER, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(bytes) else {
            return;
        };
        left = rest;
    }
}
