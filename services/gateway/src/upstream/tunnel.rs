//! WebSockets: after the handshake, bytes both ways until one side is done or both are silent.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio_util::task::TaskTracker;

use super::{
    attempt::Miss,
    forward::Refused,
    headers,
    relay::Relayed,
    replica::Flight,
    service::Service,
    wire::{self, Unanswered},
};

/// All tunnels that are open.
#[derive(Clone, Default)]
pub(crate) struct Tunnels(TaskTracker);

impl Tunnels {
    /// Returns once none is open any more.
    pub(crate) async fn closed(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

impl Service {
    /// Asks a replica to switch protocols; once it does, the two connections are tied together.
    pub(super) async fn tunnel(
        &self,
        mut request: Request<Body>,
        caller: OnUpgrade,
    ) -> Result<Response, Refused> {
        *request.uri_mut() = headers::origin_form(std::mem::take(request.uri_mut()));
        let mut tried = Vec::new();
        loop {
            let Some(replica) = self.choose(&tried) else {
                return Err(Refused::nobody(&self.name));
            };
            let flight = replica.fly();
            headers::name_host(request.headers_mut(), &replica.authority);
            let miss = match self.switch(&replica, request).await {
                Ok(answer) => return Ok(self.tie(answer, caller, flight).await),
                Err(miss) => miss,
            };
            self.note(&replica, &miss);
            request = match miss {
                Miss::Unsent(unsent, _)
                    if tried.len() < self.config.retries as usize && self.budget.draw() =>
                {
                    *unsent
                }
                miss => return Err(Refused::missed(&self.name, &replica, miss)),
            };
            self.retries.increment(1);
            tried.push(replica);
        }
    }

    /// On a connection of its own, which runs by itself.
    async fn switch(
        &self,
        replica: &super::replica::Replica,
        request: Request<Body>,
    ) -> Result<hyper::Response<hyper::body::Incoming>, Miss> {
        let stream = match replica.way.connect(self.config.connect_timeout.0).await {
            Ok(stream) => stream,
            Err(error) => return Err(Miss::Unsent(Box::new(request), error)),
        };
        let handshake = wire::builder().handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(Miss::Lost)?;
        tokio::spawn(connection.with_upgrades());
        let answer = sender.try_send_request(request).await;
        answer.map_err(|error| Miss::from(Unanswered::of(error)))
    }

    async fn tie(
        &self,
        mut answer: hyper::Response<hyper::body::Incoming>,
        caller: OnUpgrade,
        flight: Flight,
    ) -> Response {
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let upstream = hyper::upgrade::on(&mut answer);
        let (mut parts, body) = answer.into_parts();
        headers::from_upstream(&mut parts.headers);
        if !switched {
            return Response::from_parts(parts, Relayed::new(body, None, flight).into_body().await);
        }
        parts
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts
            .headers
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        parts.extensions.clear();
        let (idle, service) = (self.config.tunnel_idle.0, self.name.clone());
        let open = metrics::gauge!("stoa_upstream_tunnels", "service" => service.clone());
        self.tunnels.0.spawn(async move {
            open.increment(1.0);
            let ended = match tokio::try_join!(caller, upstream) {
                Ok((caller, upstream)) => relay(TokioIo::new(caller), TokioIo::new(upstream), idle).await,
                Err(error) => Err(io::Error::other(error)),
            };
            open.decrement(1.0);
            if let Err(error) = ended {
                tracing::debug!(%error, service, "a tunnel ended badly");
            }
            drop(flight);
        });
        Response::from_parts(parts, Body::empty())
    }
}

/// Copies both ways until both are done, or neither has sent anything for `idle`.
async fn relay<A, B>(a: A, b: B, idle: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let reads = Arc::new(AtomicU64::new(0));
    let (mut a, mut b) = (Heard(a, Arc::clone(&reads)), Heard(b, Arc::clone(&reads)));
    tokio::select! {
        ended = copy_bidirectional(&mut a, &mut b) => ended.map(|_| ()),
        () = silent_for(&reads, idle) => Err(io::Error::new(io::ErrorKind::TimedOut, "nobody said anything")),
    }
}

/// Returns once nothing was read for `idle`, or up to half as much longer.
async fn silent_for(reads: &AtomicU64, idle: Duration) {
    let (mut seen, mut quiet) = (0, 0);
    while quiet < 2 {
        tokio::time::sleep(idle / 2).await;
        let now = reads.load(Ordering::Relaxed);
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
}

/// Counts what is read of it.
struct Heard<T>(T, Arc<AtomicU64>);

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.0).poll_read(cx, buffer);
        if polled.is_ready() {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
