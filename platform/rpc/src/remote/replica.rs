//! One address of a service, and the connection to it.

use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use stoa_tls::Mutual;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::{body::Gathered, confirmed::Confirmed, failure::chain, service_url::ServiceUrl};

/// To connect takes no longer.
const CONNECT: Duration = Duration::from_secs(2);
/// A replica that cannot be reached is left alone for so long, each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A peer that says nothing is asked so often whether it is there, and has so long to answer.
const PING: Duration = Duration::from_secs(15);
const PONG: Duration = Duration::from_secs(5);

pub(super) struct Replica {
    service: &'static str,
    pub(super) service_url: Arc<ServiceUrl>,
    pub(super) address: SocketAddr,
    tls: Option<Arc<Mutual>>,
    /// Told whenever it is connected or cannot be.
    changed: Arc<Notify>,
    state: Mutex<State>,
}

enum State {
    Idle,
    Connecting {
        failures: u32,
    },
    Live(SendRequest<Gathered>),
    Out {
        until: Instant,
        failures: u32,
        why: String,
    },
}

/// What can be had of a replica now.
pub(super) enum Availability {
    Live(SendRequest<Gathered>),
    /// It will be told by `changed`.
    Connecting,
    Out {
        until: Instant,
        why: String,
    },
}

impl Replica {
    pub(super) fn new(
        service: &'static str,
        service_url: Arc<ServiceUrl>,
        address: SocketAddr,
        tls: Option<Arc<Mutual>>,
        changed: Arc<Notify>,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            service_url,
            address,
            tls,
            changed,
            state: Mutex::new(State::Idle),
        })
    }

    /// What can be had now. Where there is no connection and it is time for one, begins to connect.
    pub(super) fn look(self: &Arc<Self>) -> Availability {
        let mut state = self.state.lock();
        let failures = match &*state {
            State::Live(sender) if !sender.is_closed() => return Availability::Live(sender.clone()),
            State::Connecting { .. } => return Availability::Connecting,
            State::Out { until, why, .. } if Instant::now() < *until => {
                return Availability::Out {
                    until: *until,
                    why: why.clone(),
                };
            }
            State::Out { failures, .. } => *failures,
            State::Live(_) | State::Idle => 0,
        };
        *state = State::Connecting { failures };
        tokio::spawn(run(Arc::downgrade(self)));
        Availability::Connecting
    }

    fn set(&self, state: State) {
        *self.state.lock() = state;
        self.changed.notify_waiters();
    }

    fn failed(&self, failures: u32, why: String) {
        let (service, address) = (self.service, self.address);
        if failures == 0 {
            tracing::warn!(service, %address, error = why, "a replica cannot be reached; calls go to others until it can");
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << failures.min(16))
            .min(LONGEST_PAUSE);
        self.set(State::Out {
            until: Instant::now() + pause.mul_f64(0.75 + 0.5 * stoa_kernel::random::fraction()),
            failures: failures + 1,
            why: format!("{address}: {why}"),
        });
    }

    async fn connect(&self) -> Result<(SendRequest<Gathered>, Connection), String> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        match (&self.tls, &self.service_url.tls_name) {
            (Some(tls), Some(name)) => {
                let connector = TlsConnector::from(tls.client());
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(|e| e.to_string())?;
                speak(stream).await
            }
            _ => speak(stream).await,
        }
    }
}

/// What carries a connection's calls; it ends when the connection does.
type Connection = std::pin::Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(SendRequest<Gathered>, Connection), String> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .keep_alive_while_idle(true);
    let (stream, confirmed) = Confirmed::new(stream);
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| chain(&e))?;
    let mut connection: Connection = Box::pin(connection);
    tokio::select! {
        biased;
        ended = &mut connection => Err(ended.map_or_else(|e| chain(&e), |()| "it hung up at once".to_owned())),
        _ = confirmed => Ok((sender, connection)),
    }
}

/// Connects, and stays until the connection ends. Holds no replica meanwhile: one that is forgotten drops its sender,
/// and the connection ends when its last call has.
async fn run(replica: Weak<Replica>) {
    let Some(this) = replica.upgrade() else { return };
    let failures = match &*this.state.lock() {
        State::Connecting { failures } => *failures,
        _ => return,
    };
    let connected = timeout(CONNECT, this.connect())
        .await
        .unwrap_or_else(|_| Err(format!("no connection within {CONNECT:?}")));
    let connection = match connected {
        Ok((sender, connection)) => {
            this.set(State::Live(sender));
            connection
        }
        Err(why) => return this.failed(failures, why),
    };
    drop(this);
    let ended = connection.await;
    let Some(this) = replica.upgrade() else { return };
    tracing::debug!(service = this.service, address = %this.address, ?ended, "a connection has ended");
    this.set(State::Idle);
}
