//! One request and what comes of it, measured and logged at its end, however it ends.

use std::{net::SocketAddr, time::Instant};

use http::{Method, StatusCode, Uri, request::Parts};
use stoa_http::{Failure, RequestInfo, codes};
use stoa_kernel::UserId;

use super::{Inner, access, arriving::Arrival, limits::Tightest, routes::Route};

/// What is logged for a caller who went away before there was an answer.
const CLIENT_CLOSED: u16 = 499;

/// One request under way.
pub(super) struct Exchange<'a> {
    edge: &'a Inner,
    started: Instant,
    /// When the answer has to be there.
    pub(super) deadline: Instant,
    pub(super) peer: SocketAddr,
    pub(super) route: &'a Route,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) info: RequestInfo,
    pub(super) user: Option<UserId>,
    pub(super) tightest: Tightest,
    /// Whether another process' edge has passed it on, and has done there what is done once.
    pub(super) relayed: bool,
    /// How the body arrives, if there is one.
    pub(super) arrival: Option<Arrival>,
    answer: Option<(StatusCode, Option<u64>)>,
}

impl<'a> Exchange<'a> {
    pub(super) fn begin(
        edge: &'a Inner,
        (peer, route): (SocketAddr, &'a Route),
        parts: &Parts,
        info: RequestInfo,
        (started, deadline): (Instant, Instant),
    ) -> Self {
        edge.in_flight.increment(1);
        Self {
            edge,
            started,
            deadline,
            peer,
            route,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            info,
            user: None,
            tightest: Tightest::default(),
            relayed: false,
            arrival: None,
            answer: None,
        }
    }

    /// What is answered when the time of the request is over.
    pub(super) fn too_late(&self) -> Failure {
        match &self.arrival {
            Some(arrival) if arrival.is_awaited() => arrival.failure(),
            _ => match &self.route.remote {
                Some(remote) => remote.too_late(),
                None => Failure::new(codes::TIMEOUT),
            },
        }
    }

    /// The answer is ready; `bytes` is its size, if known.
    pub(super) fn end(mut self, status: StatusCode, bytes: Option<u64>) {
        self.answer = Some((status, bytes));
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        self.edge.in_flight.decrement(1);
        let took = self.started.elapsed();
        let gone = || {
            (
                StatusCode::from_u16(CLIENT_CLOSED).unwrap_or(StatusCode::BAD_REQUEST),
                None,
            )
        };
        let (status, bytes) = self.answer.unwrap_or_else(gone);
        self.route.measure(&self.method, status, took.as_secs_f64());
        if let Some(log) = &self.edge.access_log {
            log.write(access::line(&access::Line {
                time: self.edge.clock.now(),
                method: &self.method,
                path: &self.route.without_secrets(self.uri.path()),
                route: self.route.name(),
                info: &self.info,
                user: self.user,
                status,
                bytes,
                took,
            }));
        }
    }
}
