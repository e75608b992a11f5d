//! A request on its way to a service, on as many replicas as it takes and as is safe.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body::Body as _;
use stoa_edge::{Arrival, Held};
use stoa_http::{AsIs, Failure, RequestInfo, Result, codes};
use stoa_kernel::random;

use super::{
    attempt::{Miss, attempt},
    headers,
    measured::Outcome,
    replica::Replica,
    service::Service,
};
use crate::codes::{UPSTREAM_TIMEOUT, UPSTREAM_UNAVAILABLE};

/// Larger bodies are not kept for another try.
pub(super) const KEPT: u64 = 64 * 1024;
/// Before the same replica is tried again, about so long is waited.
const PAUSE: f64 = 0.05;

impl Service {
    /// Passes a request on, and its answer back. Given up by its caller at `deadline`.
    pub(super) async fn pass_on(
        &self,
        mut request: Request<Body>,
        info: &RequestInfo,
        deadline: Instant,
    ) -> Result<Response> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (mut parts, body) = request.into_parts();
        let held = parts.extensions.remove::<Held>();
        let arrival = parts.extensions.remove::<Arrival>();
        let arrival = arrival.as_ref();
        let websocket = headers::to_upstream(&mut parts, info, deadline)?;
        let mut bare = Request::new(body);
        *bare.method_mut() = parts.method;
        *bare.uri_mut() = parts.uri;
        *bare.headers_mut() = parts.headers;
        let pass = self.breaker.pass().map_err(|wait| self.resting(wait))?;
        if self.is_full() {
            return Err(unavailable(Duration::from_secs(1)).cause(format_args!(
                "as many requests to {} are under way as this process may have files open for (ulimit -n)",
                self.name
            )));
        }
        let mut deciding = Deciding {
            pass: Some(pass),
            arrival,
            deadline,
        };
        let answer = if websocket {
            self.tunnel(bare, (upgrade, held), arrival).await
        } else {
            self.exchange(bare, arrival).await
        };
        deciding.decide(answer.as_ref().err());
        let mut response = answer.map_err(Refused::into_failure)?;
        if response.status().as_u16() >= 400 {
            response.extensions_mut().insert(AsIs);
        }
        Ok(response)
    }

    /// Tries replicas until one answers.
    async fn exchange(&self, request: Request<Body>, arrival: Option<&Arrival>) -> Result<Response, Refused> {
        self.budget.pay_in();
        let (mut request, again) = Again::keep(request, arrival).await?;
        let mut tried: Vec<Arc<Replica>> = Vec::new();
        loop {
            let Some(replica) = self.choose(&tried) else {
                return Err(Refused::nobody(&self.name));
            };
            if tried.iter().any(|tried| Arc::ptr_eq(tried, &replica)) {
                tokio::time::sleep(Duration::from_secs_f64(PAUSE * (0.5 + random::fraction()))).await;
            }
            let miss = match attempt(&replica, request, &self.config).await {
                Ok(response) => return Ok(response),
                Err(miss) => miss,
            };
            if let Some(refused) = Refused::by_caller(arrival) {
                replica.measured.count(Outcome::Abandoned);
                return Err(refused);
            }
            // A replica may refuse a body and be gone before the rest of it is sent: that is not known to be its fault.
            if arrival.is_some_and(|arrival| !arrival.is_complete())
                && matches!(miss, Miss::Lost(_) | Miss::Stale(_))
            {
                replica.measured.count(Outcome::Abandoned);
                let refused = Refused::missed(&self.name, &replica, miss);
                return Err(Refused {
                    by_service: false,
                    ..refused
                });
            }
            self.note(&replica, &miss);
            let may = tried.len() < self.config.retries as usize && self.budget.draw();
            request = match (miss, &again) {
                (Miss::Unsent(request, _), _) if may => *request,
                (Miss::Lost(_) | Miss::Stale(_), Some(again)) if may => again.request(),
                (miss, _) => return Err(Refused::missed(&self.name, &replica, miss)),
            };
            self.retries.increment(1);
            tried.push(replica);
        }
    }

    /// Counts what a replica failed to do.
    pub(super) fn note(&self, replica: &Replica, miss: &Miss) {
        match miss {
            Miss::Unsent(_, error) if is_ours(error) => replica.measured.count(Outcome::Unreached),
            Miss::Unsent(..) => self.failed(replica, Outcome::Unreached),
            Miss::Lost(_) => self.failed(replica, Outcome::Lost),
            // It only closed a connection that was idle, or it is gone: then the next one fails to connect.
            Miss::Stale(_) => replica.measured.count(Outcome::Lost),
        }
    }

    fn resting(&self, wait: Duration) -> Failure {
        unavailable(wait).cause(format_args!(
            "{} failed too often and is left alone for a while",
            self.name
        ))
    }
}

/// Tells the breaker how a request ended; one that was given up at its deadline failed, unless it was its caller who let
/// the service wait.
struct Deciding<'a> {
    pass: Option<super::breaker::Pass<'a>>,
    arrival: Option<&'a Arrival>,
    deadline: Instant,
}

impl Deciding<'_> {
    fn decide(&mut self, refused: Option<&Refused>) {
        let Some(pass) = self.pass.take() else { return };
        match refused {
            None => pass.answered(),
            Some(refused) if refused.by_service => pass.failed(),
            Some(_) => {}
        }
    }
}

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        let callers = self
            .arrival
            .is_some_and(|arrival| arrival.is_awaited() || arrival.has_failed());
        if let Some(pass) = self.pass.take()
            && !callers
            && self.deadline <= Instant::now() + Duration::from_millis(1)
        {
            pass.failed();
        }
    }
}

/// Why there is no answer.
pub(super) struct Refused {
    failure: Failure,
    /// Rather than by its caller.
    by_service: bool,
}

impl Refused {
    pub(super) fn nobody(service: &str) -> Self {
        Self::service(unavailable(Duration::from_secs(1)).cause(format_args!("{service} has no address")))
    }

    pub(super) fn missed(service: &str, replica: &Replica, miss: Miss) -> Self {
        let address = replica.connector.address();
        let by_service = !matches!(&miss, Miss::Unsent(_, error) if is_ours(error));
        let failure = match miss {
            Miss::Unsent(_, error) => unavailable(Duration::from_secs(1)).cause(format_args!(
                "{service} at {address} cannot be reached: {}",
                causes(&error)
            )),
            Miss::Lost(error) | Miss::Stale(error) => Failure::new(codes::BAD_GATEWAY)
                .detail("The connection broke; it is not known whether the request was carried out.")
                .cause(format_args!(
                    "{service} at {address} broke off: {}",
                    causes(&error)
                )),
        };
        Self { failure, by_service }
    }

    fn service(failure: Failure) -> Self {
        Self {
            failure,
            by_service: true,
        }
    }

    /// Some: nothing came of the request because of its caller's body, which says nothing about the service.
    pub(super) fn by_caller(arrival: Option<&Arrival>) -> Option<Self> {
        let arrival = arrival.filter(|arrival| arrival.has_failed())?;
        Some(Self {
            failure: arrival.failure(),
            by_service: false,
        })
    }

    /// The caller's body could not be read.
    fn unread(arrival: Option<&Arrival>, error: &axum::Error) -> Self {
        Self::by_caller(arrival).unwrap_or_else(|| Self {
            failure: Failure::new(codes::MALFORMED).cause(error),
            by_service: false,
        })
    }

    fn into_failure(self) -> Failure {
        self.failure
    }
}

/// The answer to a request that waited for a service until its time was over.
pub(crate) fn too_late() -> Failure {
    Failure::new(UPSTREAM_TIMEOUT)
}

fn unavailable(wait: Duration) -> Failure {
    Failure::new(UPSTREAM_UNAVAILABLE).retry_after(wait)
}

/// Whether it is this process that can open no more connections: too many open files.
fn is_ours(error: &std::io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What a request was, for another try after it may have come to a replica. Only of methods that may be repeated: a POST
/// is not, also with an `Idempotency-Key`. The replica that was lost holds that key until its time is over, so another
/// one would answer 409; and replicas that do not share their cache would do it twice. Its caller knows better when.
struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Again {
    /// The request, and itself once more if it may be repeated; a small body is read for that.
    async fn keep(
        request: Request<Body>,
        arrival: Option<&Arrival>,
    ) -> Result<(Request<Body>, Option<Self>), Refused> {
        let small = request
            .body()
            .size_hint()
            .exact()
            .is_some_and(|size| size <= KEPT);
        if !request.method().is_idempotent() || !small {
            return Ok((request, None));
        }
        let empty = request.body().size_hint().exact() == Some(0);
        let (parts, body) = request.into_parts();
        let bytes = if empty {
            Bytes::new()
        } else {
            match stoa_http::collect(body).await {
                Ok(read) => read,
                Err(error) => return Err(Refused::unread(arrival, &error)),
            }
        };
        let again = Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            body: bytes.clone(),
        };
        let body = if empty { Body::empty() } else { Body::from(bytes) };
        Ok((Request::from_parts(parts, body), Some(again)))
    }

    fn request(&self) -> Request<Body> {
        let body = if self.body.is_empty() {
            Body::empty()
        } else {
            Body::from(self.body.clone())
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}
