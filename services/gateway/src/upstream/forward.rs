//! A request on its way to a service, on as many replicas as it takes and as is safe.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError};
use stoa_http::{Failure, RequestInfo, Result, codes};
use stoa_kernel::random;

use super::{
    attempt::{Miss, attempt},
    headers,
    measured::Outcome,
    replica::Replica,
    service::Service,
};
use crate::{
    AsIs,
    codes::{UPSTREAM_TIMEOUT, UPSTREAM_UNAVAILABLE},
};

/// Larger bodies are not kept for another try.
const REPLAYED: u64 = 64 * 1024;
/// Before the same replica is tried again, about so long is waited.
const PAUSE: f64 = 0.05;

impl Service {
    /// Passes a request on, and its answer back. Given up by its caller at `deadline`.
    pub(crate) async fn forward(
        &self,
        mut request: Request<Body>,
        info: &RequestInfo,
        deadline: Instant,
    ) -> Result<Response> {
        let upgrade = hyper::upgrade::on(&mut request);
        let (mut parts, body) = request.into_parts();
        let websocket = headers::to_upstream(&mut parts, info, deadline)?;
        let mut bare = Request::new(body);
        *bare.method_mut() = parts.method;
        *bare.uri_mut() = parts.uri;
        *bare.headers_mut() = parts.headers;
        let pass = self.breaker.pass().map_err(|wait| self.resting(wait))?;
        let mut pass = Some(Deciding {
            pass: Some(pass),
            deadline,
        });
        let answer = if websocket {
            self.tunnel(bare, upgrade).await
        } else {
            self.exchange(bare).await
        };
        if let Some(mut deciding) = pass.take() {
            deciding.decide(answer.as_ref().err());
        }
        let mut response = answer.map_err(Refused::into_failure)?;
        if response.status().as_u16() >= 400 {
            response.extensions_mut().insert(AsIs);
        }
        Ok(response)
    }

    /// Tries replicas until one answers.
    async fn exchange(&self, request: Request<Body>) -> Result<Response, Refused> {
        self.budget.pay_in();
        let (mut request, again) = Again::keep(request).await?;
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
            if let Some(failure) = too_large(&miss) {
                return Err(Refused::caller(failure));
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

/// Tells the breaker how a request ended; one that was given up at its deadline failed.
struct Deciding<'a> {
    pass: Option<super::breaker::Pass<'a>>,
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
        if let Some(pass) = self.pass.take()
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
        let address = replica.way.address();
        Self::service(match miss {
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
        })
    }

    fn service(failure: Failure) -> Self {
        Self {
            failure,
            by_service: true,
        }
    }

    fn caller(failure: Failure) -> Self {
        Self {
            failure,
            by_service: false,
        }
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
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Failure::new(UPSTREAM_UNAVAILABLE).header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
}

fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// 413, if the caller's body grew beyond what is taken.
fn too_large(miss: &Miss) -> Option<Failure> {
    let error: &dyn std::error::Error = match miss {
        Miss::Lost(error) | Miss::Stale(error) => error,
        Miss::Unsent(..) => return None,
    };
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain
        .any(<dyn std::error::Error>::is::<LengthLimitError>)
        .then(|| Failure::new(codes::TOO_LARGE))
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
    async fn keep(request: Request<Body>) -> Result<(Request<Body>, Option<Self>), Refused> {
        let small = request
            .body()
            .size_hint()
            .exact()
            .is_some_and(|size| size <= REPLAYED);
        if !request.method().is_idempotent() || !small {
            return Ok((request, None));
        }
        let empty = request.body().size_hint().exact() == Some(0);
        let (parts, body) = request.into_parts();
        let bytes = if empty {
            Bytes::new()
        } else {
            let read = body.collect().await;
            read.map_err(|error| Refused::caller(Failure::new(codes::MALFORMED).cause(error)))?
                .to_bytes()
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
