//! The listener: connections, their limits, and how they come to an end.

mod activity;
mod bare;
mod host;
mod lingering;
mod redirect;
mod slots;

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::header;
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
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::redirect::{Answers, redirect};
use self::{
    activity::Busy,
    bare::Worded,
    lingering::Lingering,
    slots::{Slot, Slots},
};
use crate::{Edge, EdgeConfig, threads::Threads};

/// How a listener treats connections. The defaults fit a public one.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at once. A further one takes the place of one without a request under way, and waits if there is none.
    pub connections: usize,
    /// Connections at once of one address, or one /64 of IPv6; those of trusted proxies are not counted. A further one takes
    /// the place of one without a request under way, and is closed if there is none.
    pub connections_per_address: usize,
    /// How long a connection may stay without a first request whose head has come to an end.
    pub head: Duration,
    /// How long a connection may stay without a request under way after that, and how long a caller may leave an answer unread.
    pub idle: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1024,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            streams: 256,
        }
    }
}

/// Descriptors that connections leave for everything else, at most: files, databases, and the connections that end.
const RESERVED: u64 = 1024;

impl ServerLimits {
    /// As the settings say, within the `files` that the process may have open. `passes_on`: a request may take a connection to
    /// another process as well.
    #[must_use]
    pub fn new(config: &EdgeConfig, files: Option<u64>, passes_on: bool) -> Self {
        let files = files.unwrap_or(u64::MAX);
        let ours = files - (files / 4).min(RESERVED);
        let most = usize::try_from(if passes_on { ours / 2 } else { ours }).unwrap_or(usize::MAX);
        let connections = config.connections.min(most);
        if connections < config.connections {
            tracing::info!(
                connections,
                files,
                "the limit on open files allows fewer connections than gateway.connections"
            );
        }
        Self {
            connections,
            // One address alone cannot take all slots.
            connections_per_address: config.connections_per_address.min(connections / 2).max(1),
            head: config.head_timeout.0,
            ..Self::default()
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
/// What an HTTP/2 peer may send before it is read: on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// What is kept of an answer for an HTTP/2 stream whose caller does not read it.
const STREAM_BUFFER: usize = 64 * 1024;
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
    let slots = Slots::new(limits.connections, limits.connections_per_address);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let trusts = |peer| server.edge.trusts(peer);
    while let Some((stream, peer, slot)) = accept(&listener, &slots, trusts, &shutdown).await {
        let (server, watcher) = (Arc::clone(&server), graceful.watcher());
        let thread = threads.assign();
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
                Ok(stream) => server.connection(stream, peer, watcher, slot).await,
                Err(error) => tracing::error!(%error, %peer, "a connection cannot be handed to its thread"),
            }
            drop(thread);
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
        tunnels.close_tunnels().await;
    }
    connections.shutdown().await;
}

/// The next connection with its slot; none once the server is to stop.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Slots>,
    trusts: impl Fn(SocketAddr) -> bool,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, Slot)> {
    loop {
        let next = async {
            let (stream, peer) = listener.accept().await?;
            let slot = slots.find(peer.ip(), trusts(peer)).await;
            Ok::<_, std::io::Error>((stream, peer, slot))
        };
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, peer, Some(slot))) => return Some((stream, peer, slot)),
            Ok((_, peer, None)) => {
                tracing::debug!(%peer, "a connection was closed: its address has as many at work as one may have");
            }
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
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_BUFFER)
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
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, slot: Slot) {
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.requests(stream, peer, watcher, slot).await;
        };
        tokio::select! {
            biased;
            // No request can be under way yet.
            () = self.shutdown.cancelled() => {}
            () = slot.evicted() => {}
            shaken = tls.accept(stream) => match shaken {
                Ok(stream) => return self.requests(stream, peer, watcher, slot).await,
                Err(error) => tracing::debug!(%error, %peer, "a TLS handshake came to nothing"),
            },
        }
    }

    async fn requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
        slot: Slot,
    ) {
        let slot = Arc::new(slot);
        let (edge, own) = (self.edge.clone(), Arc::clone(&slot));
        let service = service_fn(move |mut request: Request<Incoming>| {
            host::check(&mut request);
            let (edge, busy) = (edge.clone(), own.activity().busy());
            if request.headers().contains_key(header::UPGRADE) {
                request.extensions_mut().insert(Held::new(&own));
            }
            let (request, awaited) = Lingering::of(request);
            // Boxed, as hyper moves what it is given, and this is kilobytes.
            Box::pin(async move {
                let mut response = edge.handle(peer, request).await;
                awaited.close(&mut response);
                Ok::<_, std::convert::Infallible>(busy.until_sent(response))
            })
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
            () = slot.evicted() => tracing::debug!(%peer, "a connection without a request gave way to another"),
            () = slot.activity().spent(self.limits.head, self.limits.idle) => {
                tracing::debug!(%peer, "a connection was idle for too long");
            }
        }
    }
}

/// The slot of a connection, held by what goes on with it after it has ceased to be HTTP.
#[derive(Clone)]
pub struct Held(#[expect(dead_code, reason = "held until it is dropped")] Arc<(Busy, Arc<Slot>)>);

impl Held {
    fn new(slot: &Arc<Slot>) -> Self {
        Self(Arc::new((slot.activity().busy(), Arc::clone(slot))))
    }
}
