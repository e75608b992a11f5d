//! The listener for calls from other processes.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{Router, serve::Listener};
use stoa_tls::{Acceptor, HandshakeError, Handshakes, Mutual};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    tls: Option<Arc<Mutual>>,
    stop: CancellationToken,
) {
    let stop = stop.cancelled_owned();
    let served = match tls {
        None => axum::serve(listener, routes).with_graceful_shutdown(stop).await,
        Some(mutual) => {
            let shaking = Shaking {
                listener,
                acceptor: Acceptor::mutual(mutual, Handshakes::default()),
                under_way: JoinSet::new(),
            };
            axum::serve(shaking, routes).with_graceful_shutdown(stop).await
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "the listener for calls has ended");
    }
}

/// A listener that hands out connections once their handshake is done; handshakes do not wait for one another.
struct Shaking {
    listener: TcpListener,
    acceptor: Acceptor,
    under_way: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Listener for Shaking {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(&mut self.listener) => {
                    let _ = stream.set_nodelay(true);
                    let acceptor = self.acceptor.clone();
                    self.under_way.spawn(async move { shake(&acceptor, stream, peer).await });
                }
                Some(Ok(Some(shaken))) = self.under_way.join_next() => return shaken,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

async fn shake(
    acceptor: &Acceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<(TlsStream<TcpStream>, SocketAddr)> {
    match acceptor.accept(stream).await {
        Ok(stream) => Some((stream, peer)),
        Err(HandshakeError::Refused(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!(%peer, "a caller left before the TLS handshake was done");
            None
        }
        Err(error) => {
            tracing::warn!(%error, %peer, "a caller is refused: without a TLS handshake and a certificate of the authority in rpc.tls.ca nobody is served here");
            None
        }
    }
}
