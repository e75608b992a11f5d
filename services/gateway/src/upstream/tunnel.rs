//! WebSockets: after the handshake, bytes both ways until one side is done, both are silent, or this process stops.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    attempt::Miss,
    forward::Refused,
    frames::{self, Frames},
    headers,
    relay::Relayed,
    replica::InFlight,
    service::Service,
    wire::{self, Unanswered},
};
use stoa_edge::{Arrival, Held};

/// How long a frame that has begun may take to end, and then each side to hear that this process stops.
const GOODBYE: Duration = Duration::from_secs(1);

impl Service {
    /// Asks a replica to switch protocols; once it does, the two connections are tied together.
    pub(super) async fn tunnel(
        &self,
        mut request: Request<Body>,
        caller: (OnUpgrade, Option<Held>),
        arrival: Option<&Arrival>,
    ) -> Result<Response, Refused> {
        *request.uri_mut() = headers::origin_form(std::mem::take(request.uri_mut()));
        let mut tried = Vec::new();
        loop {
            let Some(replica) = self.choose(&tried) else {
                return Err(Refused::nobody(&self.name));
            };
            let flight = replica.begin_request();
            headers::name_host(request.headers_mut(), &replica.authority);
            let miss = match self.switch(&replica, request).await {
                Ok(answer) => return Ok(self.tie(answer, caller, flight).await),
                Err(miss) => miss,
            };
            if let Some(refused) = Refused::by_caller(arrival) {
                return Err(refused);
            }
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
        let stream = match replica.connector.connect(self.config.connect_timeout.0).await {
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
        (caller, held): (OnUpgrade, Option<Held>),
        flight: InFlight,
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
        let stop = self.tunnels.stop();
        self.tunnels.spawn(async move {
            open.increment(1.0);
            let ended = match tokio::try_join!(caller, upstream) {
                Ok((caller, upstream)) => {
                    relay(TokioIo::new(caller), TokioIo::new(upstream), idle, &stop).await
                }
                Err(error) => Err(io::Error::other(error)),
            };
            open.decrement(1.0);
            if let Err(error) = ended {
                tracing::debug!(%error, service, "a tunnel ended badly");
            }
            drop((flight, held));
        });
        Response::from_parts(parts, Body::empty())
    }
}

/// Copies both ways until both are done, neither has sent anything for `idle`, or `stop`: then both are told.
async fn relay<A, B>(caller: A, upstream: B, idle: Duration, stop: &CancellationToken) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let traffic = Arc::new(Traffic::default());
    let (mut caller, mut upstream) = (Side::new(caller, &traffic), Side::new(upstream, &traffic));
    let copied = {
        let mut copying = pin!(copy_bidirectional(&mut caller, &mut upstream));
        let copied = tokio::select! {
            copied = &mut copying => Some(copied),
            () = silent_for(&traffic.reads, idle) => {
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody said anything")))
            }
            () = stop.cancelled() => None,
        };
        match copied {
            Some(copied) => Some(copied),
            None => {
                traffic.stopping.store(true, Ordering::Relaxed);
                // Frames that have begun come to their ends.
                timeout(GOODBYE, traffic.between_frames(&mut copying))
                    .await
                    .ok()
                    .flatten()
            }
        }
    };
    if let Some(copied) = copied {
        return copied.map(|_| ());
    }
    let goodbyes = async {
        tokio::join!(
            caller.close(frames::close_of_server()),
            upstream.close(frames::close_of_client())
        )
    };
    let _ = timeout(GOODBYE, goodbyes).await;
    Ok(())
}

/// Returns once nothing was read for `idle`, or up to half as much longer.
async fn silent_for(reads: &AtomicU64, idle: Duration) {
    let (mut seen, mut quiet) = (0, 0);
    while quiet < 2 {
        sleep(idle / 2).await;
        let now = reads.load(Ordering::Relaxed);
        quiet = if now == seen { quiet + 1 } else { 0 };
        seen = now;
    }
}

/// What the two sides of a tunnel share.
#[derive(Default)]
struct Traffic {
    reads: AtomicU64,
    /// No further frame begins.
    stopping: AtomicBool,
    /// Sides that have been written part of a frame.
    within: AtomicU64,
}

impl Traffic {
    /// Goes on until no side has been written part of a frame; some if that ended first.
    async fn between_frames<F: Future + Unpin>(&self, copying: &mut F) -> Option<F::Output> {
        while self.within.load(Ordering::Relaxed) > 0 {
            tokio::select! {
                copied = &mut *copying => return Some(copied),
                () = sleep(Duration::from_millis(10)) => {}
            }
        }
        None
    }
}

/// One side: counts what is read of it, and knows where the frames end that are written to it.
struct Side<T> {
    stream: T,
    frames: Frames,
    traffic: Arc<Traffic>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Side<T> {
    fn new(stream: T, traffic: &Arc<Traffic>) -> Self {
        Self {
            stream,
            frames: Frames::default(),
            traffic: Arc::clone(traffic),
        }
    }

    /// Says a last frame, unless it would stand within another, and reads until the other side has gone: what is left unread
    /// would make the kernel take the frame back.
    async fn close(&mut self, frame: Vec<u8>) -> io::Result<()> {
        if self.frames.is_between() {
            self.stream.write_all(&frame).await?;
        }
        self.stream.shutdown().await?;
        let mut sink = [0; 4096];
        while self.stream.read(&mut sink).await? > 0 {}
        Ok(())
    }

    fn wrote(&mut self, bytes: &[u8]) {
        let before = self.frames.is_between();
        self.frames.pass(bytes);
        match (before, self.frames.is_between()) {
            (true, false) => _ = self.traffic.within.fetch_add(1, Ordering::Relaxed),
            (false, true) => _ = self.traffic.within.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Side<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_ready() {
            self.traffic.reads.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Side<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.traffic.stopping.load(Ordering::Relaxed) {
            if self.frames.is_between() {
                // Never woken: what stops the tunnel goes on by itself.
                return Poll::Pending;
            }
            bytes = &bytes[..self.frames.rest(bytes)];
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.wrote(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
