//! Refusals that never reach the edge: a head that cannot be read is answered by the HTTP library, in two words. On their way to the
//! caller they become problem documents like all others.

use std::{
    io::{Error, ErrorKind, IoSlice, Result},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use stoa_http::{Problem, codes};
use stoa_kernel::random;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::codes::URI_TOO_LONG;

/// What the library's refusals begin with, and no longer than this are they.
const BEGINNING: &[u8] = b"HTTP/1.1 4";
const LONGEST: usize = 256;
const NO_BODY: &str = "\r\ncontent-length: 0\r\n";

/// A connection on which bare refusals are replaced. Everything else passes as it is.
pub(super) struct Worded<S> {
    stream: S,
    /// What is still to be written of a problem.
    left: Bytes,
}

impl<S> Worded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            left: Bytes::new(),
        }
    }
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    /// Writes a problem in place of `bytes`, if they are a bare refusal; none if they are not.
    fn poll_problem(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<Result<usize>>> {
        if self.left.is_empty() {
            self.left = problem(bytes)?;
        }
        Some(self.poll_left(cx).map_ok(|()| bytes.len()))
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.left.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.left))? {
                0 => return Poll::Ready(Err(Error::from(ErrorKind::WriteZero))),
                count => self.left.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The refusal as a problem document, with the same status and date; none if the bytes are something else.
fn problem(bytes: &[u8]) -> Option<Bytes> {
    if !bytes.starts_with(BEGINNING) || bytes.len() > LONGEST {
        return None;
    }
    let head = str::from_utf8(bytes).ok()?;
    if !head.contains(NO_BODY) || head.contains("x-request-id") || !head.ends_with("\r\n\r\n") {
        return None;
    }
    let code = match head.get(9..12)? {
        "414" => URI_TOO_LONG,
        "431" => codes::HEADER_TOO_LARGE,
        _ => codes::MALFORMED,
    };
    let id = hex::encode(random::bytes::<16>());
    let body = serde_json::to_string(&Problem {
        request_id: Some(id.clone()),
        ..Problem::new(code)
    });
    let body = body.ok()?;
    let headers = format!(
        "\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nx-request-id: {id}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n",
        body.len()
    );
    Some(format!("{}{body}", head.replacen(NO_BODY, &headers, 1)).into())
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match self.poll_problem(cx, bytes) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        match first.and_then(|first| self.poll_problem(cx, first)) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
