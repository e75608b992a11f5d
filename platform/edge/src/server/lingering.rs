//! What is left of a body that was refused is read and thrown away for a while. A connection that is closed on a caller who is still
//! sending takes the answer from them: they see a broken connection instead.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Version, header};
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
    /// Whether its caller sends it. Who expects `100 Continue` may not; then what comes next may be another request.
    sent: bool,
}

impl Lingering {
    /// The request with such a body. On HTTP/2 a body ends without its connection.
    pub(super) fn of(request: Request<Incoming>) -> Request<Self> {
        let (parts, body) = request.into_parts();
        // Most have no body.
        let body = Some(body).filter(|body| !body.is_end_stream());
        let sent =
            body.is_some() && parts.version < Version::HTTP_2 && !parts.headers.contains_key(header::EXPECT);
        Request::from_parts(parts, Self { body, sent })
    }
}

impl Body for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(cx);
        if let Poll::Ready(Some(Err(_)) | None) = polled {
            self.body = None;
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
