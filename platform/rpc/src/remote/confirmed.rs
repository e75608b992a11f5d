//! A stream that says when the peer has spoken for the first time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// In TLS 1.3 a client is done before the server has looked at its certificate: only what the server says next shows that
/// it was accepted.
pub(super) struct Confirmed<S> {
    stream: S,
    tell: Option<oneshot::Sender<()>>,
}

impl<S> Confirmed<S> {
    /// The receiver gets its message with the peer's first bytes.
    pub(super) fn new(stream: S) -> (Self, oneshot::Receiver<()>) {
        let (tell, confirmed) = oneshot::channel();
        (
            Self {
                stream,
                tell: Some(tell),
            },
            confirmed,
        )
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Confirmed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before
            && let Some(tell) = self.tell.take()
        {
            // Nobody may be waiting any more.
            let _ = tell.send(());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Confirmed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
