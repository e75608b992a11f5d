//! Asking a server to end what a connection is doing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_postgres::{CancelToken, Config, NoTls, config::Host};

/// Returns once the server has passed it on: it hangs up then. Until it does so the connection is not to be closed, or a pooler
/// drops the request. False if it cannot be asked this way: by a socket, of several hosts, or where encryption is a must.
pub(super) async fn and_wait(config: &Config, token: &CancelToken) -> io::Result<bool> {
    let ([Host::Tcp(host)], [port]) = (config.get_hosts(), config.get_ports()) else {
        return Ok(false);
    };
    let mut stream = StaysOpen(TcpStream::connect((host.as_str(), *port)).await?);
    // What is sent is no secret: a number that holds for as long as the connection does.
    if token.cancel_query_raw(&mut stream, NoTls).await.is_err() {
        return Ok(false);
    }
    stream.0.read_to_end(&mut Vec::new()).await?;
    Ok(true)
}

/// A stream that is not shut down when that is asked for.
struct StaysOpen(TcpStream);

impl AsyncRead for StaysOpen {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for StaysOpen {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
