//! The listener: connections, their limits, and how they come to an end.

mod activity;
mod bare;
mod host;
mod redirect;

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use stoa_tls::Acceptor;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::redirect::{Answers, redirect};
use self::{activity::Activity, bare::Worded};
use crate::{Edge, threads::Threads};

/// How a listener treats connections. The defaults fit a public one.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a connection may stay without a request under way: before its first, between two, and within the head of
    /// one that does not come to an end.
    pub idle: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            idle: Duration::from_secs(30),
            streams: 256,
        }
    }
}

/// What a listener does beside the usual.
#[derive(Clone, Default)]
pub struct ServerOptions {
    /// Speaks TLS, and nothing without it. By ALPN clients choose HTTP/2 or HTTP/1.1.
    pub tls: Option<Acceptor>,
    /// How connections are treated.
    pub limits: ServerLimits,
    /// Threads that each drive connections by themselves, faster where the edge only passes requests on: what holds one up
    /// holds up all of its connections. None: connections are driven by the threads of the runtime.
    pub threads: usize,
}

/// Read buffer of an HTTP/1 connection. A head that is larger is refused before the edge sees it.
const BUFFER: usize = 64 * 1024;
/// HTTP/2 peers are asked this often whether they are still there.
const PING: Duration = Duration::from_secs(20);

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) until `shutdown`. Then nothing more is accepted, idle connections are
/// closed, and requests under way are finished; returns when that is done, or after `grace`, whichever is first.
pub async fn serve(listener: TcpListener, edge: Edge, shutdown: CancellationToken, grace: Duration) {
    serve_with(listener, edge, shutdown, grace, ServerOptions::default()).await;
}

/// [`serve`], with options other than the defaults.
pub async fn serve_with(
    listener: TcpListener,
    edge: Edge,
    shutdown: CancellationToken,
    grace: Duration,
    ServerOptions { tls, limits, threads }: ServerOptions,
) {
    let threads = Threads::start(threads).unwrap_or_else(|error| {
        tracing::error!(%error, "threads for connections cannot be started; those of the runtime drive them");
        Threads::default()
    });
    let tunnels = edge.clone();
    let server = Arc::new(Server {
        builder: builder(&edge, limits),
        edge,
        limits,
        tls,
        shutdown: shutdown.clone(),
    });
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    while let Some((stream, peer)) = accept(&listener, &places, &shutdown).await {
        // There is one: accept has waited for it.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (server, watcher) = (Arc::clone(&server), graceful.watcher());
        let thread = threads.place();
        let runtime = thread
            .as_ref()
            .map_or_else(Handle::current, |thread| thread.runtime.clone());
        let driven = async move {
            let stream = match thread {
                None => Ok(stream),
                // To the reactor of its thread.
                Some(_) => stream.into_std().and_then(TcpStream::from_std),
            };
            match stream {
                Ok(stream) => server.connection(stream, peer, watcher).await,
                Err(error) => tracing::error!(%error, %peer, "a connection cannot be handed to its thread"),
            }
            drop((place, thread));
        };
        connections.spawn_on(driven, &runtime);
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let finished = async {
        graceful.shutdown().await;
        tunnels.tunnels_closed().await;
    };
    if timeout(grace, finished).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "the grace period is over; requests under way are cut off"
        );
    }
    connections.shutdown().await;
}

/// The next connection; none once the server is to stop.
async fn accept(
    listener: &TcpListener,
    places: &Semaphore,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let next = async {
            // Only waits for a free place: it is taken where the connection is.
            let _ = places.acquire().await;
            listener.accept().await
        };
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            accepted = next => accepted,
        };
        match accepted {
            Ok(accepted) => return Some(accepted),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Such as too many open files: it passes when connections are closed.
                tracing::error!(%error, "cannot accept connections");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Whether the error is of a connection that ended before it was accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionAborted | ConnectionReset
    )
}

fn builder(edge: &Edge, limits: ServerLimits) -> Builder<TokioExecutor> {
    let max_header = edge.config().max_header;
    let mut builder = Builder::new(TokioExecutor::new());
    // The edge refuses what is over the limit with a problem; this only bounds what is read of it.
    builder
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(BUFFER.max(2 * max_header as usize))
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(max_header.saturating_mul(2))
        .max_concurrent_streams(limits.streams)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

struct Server {
    builder: Builder<TokioExecutor>,
    edge: Edge,
    limits: ServerLimits,
    tls: Option<Acceptor>,
    shutdown: CancellationToken,
}

impl Server {
    /// Serves one connection to its end.
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.requests(stream, peer, watcher).await;
        };
        tokio::select! {
            biased;
            // No request can be under way yet.
            () = self.shutdown.cancelled() => {}
            shaken = tls.accept(stream) => match shaken {
                Ok(stream) => self.requests(stream, peer, watcher).await,
                Err(error) => tracing::debug!(%error, %peer, "a TLS handshake came to nothing"),
            },
        }
    }

    async fn requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
    ) {
        let activity = Activity::default();
        let (edge, active) = (self.edge.clone(), activity.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            host::check(&mut request);
            let (edge, busy) = (edge.clone(), active.busy());
            async move { Ok::<_, std::convert::Infallible>(busy.until_sent(edge.handle(peer, request).await)) }
        });
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(Worded::new(stream)), service);
        let connection = pin!(watcher.watch(connection));
        tokio::select! {
            biased;
            ended = connection => if let Err(error) = ended {
                tracing::debug!(%error, %peer, "a connection ended badly");
            },
            () = activity.idle_for(self.limits.idle) => tracing::debug!(%peer, "a connection was idle for too long"),
        }
    }
}
