//! Bodies of requests, which may have to be sent again.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::{Status, body::Body};

/// As much of a body is kept for sending it again: what a server accepts as one message by default.
const MOST: usize = 4 << 20;

/// A request's body: what was at hand when the call was made, and what comes after.
pub(super) struct Gathered {
    frames: VecDeque<Bytes>,
    then: Then,
}

enum Then {
    Nothing,
    /// Trailers or an error that ended the gathering.
    Other(Option<Result<Frame<Bytes>, Status>>, Body),
    More(Body),
}

impl Gathered {
    /// Takes all that can be had of `body` without waiting: the whole of it, unless the request is a stream.
    pub(super) fn of(mut body: Body) -> Self {
        let (mut frames, mut size) = (VecDeque::new(), 0);
        let mut context = Context::from_waker(Waker::noop());
        let then = loop {
            if size > MOST {
                break Then::More(body);
            }
            match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Pending => break Then::More(body),
                Poll::Ready(None) => break Then::Nothing,
                Poll::Ready(Some(Err(status))) => break Then::Other(Some(Err(status)), body),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        size += data.len();
                        frames.push_back(data);
                    }
                    Err(other) => break Then::Other(Some(Ok(other)), body),
                },
            }
        };
        Self { frames, then }
    }

    /// The same once more, if it is all there. Copies no bytes.
    pub(super) fn again(&self) -> Option<Self> {
        matches!(self.then, Then::Nothing).then(|| Self {
            frames: self.frames.clone(),
            then: Then::Nothing,
        })
    }
}

impl http_body::Body for Gathered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(data) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.then {
            Then::Nothing => Poll::Ready(None),
            Then::Other(other, _) if other.is_some() => Poll::Ready(other.take()),
            Then::Other(_, body) | Then::More(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && matches!(self.then, Then::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        let gathered = self.frames.iter().map(|data| data.len() as u64).sum();
        let mut hint = SizeHint::with_exact(gathered);
        if !matches!(self.then, Then::Nothing) {
            hint = SizeHint::new();
            hint.set_lower(gathered);
        }
        hint
    }
}
