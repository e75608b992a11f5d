//! The way to a replica: its address, and TLS where both sides show a certificate.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls_pki_types::ServerName;
use stoa_tls::Mutual;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::config::UpstreamUrl;

/// How to reach a replica.
pub(super) struct Connector {
    address: SocketAddr,
    tls: Option<(Arc<Mutual>, ServerName<'static>)>,
}

impl Connector {
    /// `peers` has the certificates for addresses that begin with https.
    pub(super) fn new(url: &UpstreamUrl, address: SocketAddr, peers: Option<&Arc<Mutual>>) -> Self {
        let name = ServerName::try_from(url.host().to_owned()).ok();
        let tls = url.secure.then(|| peers.cloned().zip(name)).flatten();
        Self { address, tls }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection.
    pub(super) async fn connect(&self, patience: Duration) -> io::Result<Stream> {
        let late = || {
            io::Error::new(
                io::ErrorKind::TimedOut,
                "no connection within gateway.upstream.connect_timeout",
            )
        };
        timeout(patience, self.open()).await.map_err(|_| late())?
    }

    async fn open(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some((peers, name)) = &self.tls else {
            return Ok(Stream::Plain(stream));
        };
        let tls = TlsConnector::from(peers.http_client());
        let stream = tls.connect(name.clone(), stream).await?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// A connection, with TLS or without.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream.get_mut() {
            Stream::Plain($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
            Stream::Tls($inner) => {
                let $inner = Pin::new($inner.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
