//! One request to one replica, once.

use std::{io, sync::Arc, time::Instant};

use axum::{body::Body, response::Response};
use http::{Request, Version};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{
    config::{Protocol, UpstreamConfig},
    headers,
    measured::Outcome,
    relay::Relayed,
    replica::{InFlight, Replica},
    wire::{self, Unanswered, Wire},
};

/// Stale connections that are passed over before a new one is made.
const STALE: usize = 64;

/// Why a replica gave no answer.
pub(super) enum Miss {
    /// Nothing of the request was sent; here it is again.
    Unsent(Box<Request<Body>>, io::Error),
    /// It may have come to the replica, and been acted on.
    Lost(hyper::Error),
    /// The same, on a connection that had been used before: the replica may just have closed it.
    Stale(hyper::Error),
}

/// Sends `request` to `replica`.
pub(super) async fn attempt(
    replica: &Arc<Replica>,
    request: Request<Body>,
    config: &UpstreamConfig,
) -> Result<Response, Miss> {
    let mut watch = Watch::begin(replica);
    let answer = match replica.protocol {
        Protocol::Http1 => http1(replica, request, config, &mut watch).await,
        Protocol::Http2 => http2(replica, request, config, &mut watch).await,
    };
    match &answer {
        Ok(response) => watch.answered(response),
        // The caller of this counts misses.
        Err(_) => watch.over = true,
    }
    answer
}

/// Sees to it that a request is counted however it ends.
struct Watch<'a> {
    replica: &'a Replica,
    flight: Option<InFlight>,
    started: Instant,
    /// When there was a connection.
    connected: Option<Instant>,
    over: bool,
}

impl<'a> Watch<'a> {
    fn begin(replica: &'a Arc<Replica>) -> Self {
        Self {
            replica,
            flight: Some(replica.begin_request()),
            started: Instant::now(),
            connected: None,
            over: false,
        }
    }

    fn answered(&mut self, response: &Response) {
        self.over = true;
        let took = self.started.elapsed();
        // Making a connection says little about how busy the replica is.
        self.replica
            .answered(self.connected.map_or(took, |connected| connected.elapsed()));
        self.replica.measured.took(took);
        self.replica
            .measured
            .count(if response.status().is_server_error() {
                Outcome::Refused
            } else {
                Outcome::Answered
            });
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.replica.measured.count(Outcome::Abandoned);
        }
    }
}

async fn http1(
    replica: &Replica,
    mut request: Request<Body>,
    config: &UpstreamConfig,
    watch: &mut Watch<'_>,
) -> Result<Response, Miss> {
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = headers::origin_form(std::mem::take(request.uri_mut()));
    headers::name_host(request.headers_mut(), &replica.authority);
    for _ in 0..STALE {
        let Some(mut wire) = replica.take() else { break };
        if !wire::is_free(&mut wire).await {
            continue;
        }
        match wire.send(request).await {
            Ok(answer) => return Ok(relay(answer, Some(wire), watch).await),
            Err(Unanswered::Unsent(unsent, _)) => request = *unsent,
            Err(Unanswered::Lost(error)) => return Err(Miss::Stale(error)),
        }
    }
    let mut wire = match Wire::open(&replica.connector, config.connect_timeout.0).await {
        Ok(wire) => wire,
        Err(error) => return Err(Miss::Unsent(Box::new(request), error)),
    };
    watch.connected = Some(Instant::now());
    match wire.send(request).await {
        Ok(answer) => Ok(relay(answer, Some(wire), watch).await),
        Err(unanswered) => Err(unanswered.into()),
    }
}

async fn http2(
    replica: &Replica,
    mut request: Request<Body>,
    config: &UpstreamConfig,
    watch: &mut Watch<'_>,
) -> Result<Response, Miss> {
    let mut sender = match multiplexed(replica, config).await {
        Ok(sender) => sender,
        Err(error) => return Err(Miss::Unsent(Box::new(request), error)),
    };
    *request.version_mut() = Version::HTTP_2;
    let uri = std::mem::take(request.uri_mut());
    *request.uri_mut() = headers::absolute_form(uri, request.headers(), &replica.authority);
    request.headers_mut().remove(http::header::HOST);
    match sender.try_send_request(request).await {
        Ok(answer) => Ok(relay(answer, None, watch).await),
        Err(error) => Err(Unanswered::of(error).into()),
    }
}

/// The HTTP/2 connection that all requests to the replica share.
async fn multiplexed(replica: &Replica, config: &UpstreamConfig) -> io::Result<http2::SendRequest<Body>> {
    let mut shared = replica.shared.lock().await;
    if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
        return Ok(sender.clone());
    }
    let stream = replica.connector.connect(config.connect_timeout.0).await?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .adaptive_window(true)
        .keep_alive_interval(config.idle.0)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(shared.insert(sender).clone())
}

async fn relay(
    answer: hyper::Response<hyper::body::Incoming>,
    wire: Option<Wire>,
    watch: &mut Watch<'_>,
) -> Response {
    let (mut parts, body) = answer.into_parts();
    headers::from_upstream(&mut parts.headers);
    let body = match watch.flight.take() {
        Some(flight) => Relayed::new(body, wire, flight).into_body().await,
        None => Body::new(body),
    };
    Response::from_parts(parts, body)
}

impl From<Unanswered> for Miss {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unsent(request, error) => Self::Unsent(request, io::Error::other(error)),
            Unanswered::Lost(error) => Self::Lost(error),
        }
    }
}
