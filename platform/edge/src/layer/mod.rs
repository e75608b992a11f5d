//! One layer around everything: what a request needs on its way in and an answer on its way out, together and in one place.

mod access;
mod address;
mod arriving;
mod compress;
mod cors;
mod exchange;
mod grpc;
mod identity;
mod limits;
mod remote;
mod routes;
mod shape;
mod within;

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, Request},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts};
use http_body::Body as _;
use metrics::Gauge;
use stoa_cache::{Cache, LimitKey, Limiter};
use stoa_events::TRACEPARENT;
use stoa_http::{
    Failure, Idempotency, KeyAuthority, Protocol, RequestFacts, RequestInfo, Result, Verifier, admit,
    idempotent, names, settled,
};
use stoa_kernel::{Clock, Principal};
use stoa_rpc::deadline;
use stoa_telemetry::{AccessLog, TraceParent, adopt};
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span, field::Empty};
use utoipa::openapi::OpenApi;

pub(crate) use self::address::Inside;
pub use self::arriving::Arrival;
use self::{
    address::Proxies,
    arriving::{Arriving, Bodies, Pace},
    compress::Encoding,
    cors::Cors,
    exchange::Exchange,
    identity::Identity,
    routes::{Route, Routes},
    within::within,
};
use crate::{Draining, EdgeConfig, ForwardedRoutes, REQUEST_TIMEOUT, Tunnels, pages::document};

/// Longest user agent that is kept, in bytes.
const MAX_USER_AGENT: usize = 512;

/// What an [`Edge`] is made of.
pub struct EdgeParts {
    /// Section `[gateway]`.
    pub config: EdgeConfig,
    /// All endpoints of this process: those of the services, merged, and the gateway's [`pages`](crate::pages).
    pub router: Router,
    /// Their description. It is served under `/api/openapi.json`, and its paths name the routes in metrics and logs.
    pub openapi: OpenApi,
    /// Routes that the description does not list, such as `/dev/mail`.
    pub unlisted: Vec<String>,
    /// Routes of other protocols than the API's.
    pub protocols: Vec<Protocol>,
    /// Checks access tokens.
    pub verifier: Verifier,
    /// Knows API keys; without it no key is accepted.
    pub keys: Option<Arc<dyn KeyAuthority>>,
    /// Keeps rate limits and answers to repeated requests.
    pub cache: Cache,
    /// Time.
    pub clock: Clock,
    /// Takes a line for each request, if the settings say so.
    pub access_log: Option<AccessLog>,
    /// Share of requests without a trace of their own that begin one to be sent, 0.0 to 1.0; none where no traces are sent.
    pub traces: Option<f64>,
    /// The address under which people reach this installation.
    pub public_url: String,
    /// Routes whose requests are passed on to other processes.
    pub forwarded: Vec<ForwardedRoutes>,
    /// Connections that those processes and their callers hold by way of this one.
    pub tunnels: Tunnels,
    /// Whether requests come by way of another process' edge. For those of peers in `trusted_proxies` what that one does is
    /// not done twice: CORS, limits on head and rates, security headers, compression. For all others it is done here.
    pub behind_gateway: bool,
    /// Whether this process is about to stop.
    pub draining: Draining,
}

/// The layer around all endpoints. Cheap to clone.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    config: EdgeConfig,
    router: Router,
    /// The same endpoints, for requests with an `Idempotency-Key`.
    repeatable: Router,
    routes: Routes,
    proxies: Proxies,
    cors: Cors,
    per_address: Limiter,
    per_user: Limiter,
    bodies: Arc<Bodies>,
    verifier: Verifier,
    keys: Option<Arc<dyn KeyAuthority>>,
    clock: Clock,
    access_log: Option<AccessLog>,
    traces: Option<f64>,
    in_flight: Gauge,
    tunnels: Tunnels,
    behind_gateway: bool,
    draining: Draining,
}

impl Edge {
    /// Puts the edge around the endpoints.
    #[must_use]
    pub fn new(parts: EdgeParts) -> Self {
        let EdgeParts { config, cache, .. } = parts;
        let mut unlisted = parts.unlisted;
        unlisted.extend(crate::pages::UNLISTED.iter().map(|path| (*path).to_owned()));
        let mut routes = Routes::new(&parts.openapi, &unlisted, &config.rate_limit.per_route, &cache);
        routes.speak(&parts.protocols);
        remote::assign(&mut routes, parts.forwarded, &parts.openapi);
        let router = parts.router.merge(document::router(&parts.openapi));
        // Stands inside of the idempotency, which runs requests in tasks of their own.
        let traced = router.clone().layer(from_fn(traced));
        let repeatable = traced.layer(from_fn_with_state(Idempotency::new(cache.clone()), idempotent));
        Self(Arc::new(Inner {
            // Setting the state now spares axum from doing it for each request.
            router: router.with_state(()),
            repeatable: repeatable.with_state(()),
            routes,
            proxies: Proxies::new(config.trusted_proxies.clone(), &parts.public_url),
            cors: Cors::new(&config.cors),
            per_address: cache.limiter("gateway.per_address", config.rate_limit.per_address),
            per_user: cache.limiter("gateway.per_user", config.rate_limit.per_user),
            bodies: Bodies::new(config.bodies_max),
            verifier: parts.verifier,
            keys: parts.keys,
            clock: parts.clock,
            access_log: parts.access_log.filter(|_| config.access_log),
            traces: parts.traces,
            in_flight: metrics::gauge!("http_requests_in_flight"),
            tunnels: parts.tunnels,
            behind_gateway: parts.behind_gateway,
            draining: parts.draining,
            config,
        }))
    }

    /// Returns once no tunnel is open any more.
    pub(crate) async fn tunnels_closed(&self) {
        self.0.tunnels.closed().await;
    }

    /// Closes the tunnels that are still open; both sides are told.
    pub(crate) async fn close_tunnels(&self) {
        self.0.tunnels.close().await;
    }

    /// Whether the peer is a proxy that the settings name.
    pub(crate) fn trusts(&self, peer: SocketAddr) -> bool {
        self.0.proxies.trusts(peer.ip())
    }

    pub(crate) fn config(&self) -> &EdgeConfig {
        &self.0.config
    }

    /// Answers one request of `peer`. Never fails: whatever goes wrong is an answer.
    pub async fn handle<B>(&self, peer: SocketAddr, request: http::Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let started = Instant::now();
        let edge = &*self.0;
        let (parts, body) = request.into_parts();
        let (version, call) = (parts.version, grpc::is_call(&parts));
        let relayed = edge.behind_gateway && edge.proxies.trusts(peer.ip());
        let route = edge.routes.find(parts.uri.path());
        let patience = edge.patience(relayed, route, &parts);
        let identity = Identity::of(&parts.headers, edge.traces.unwrap_or(0.0));
        let parent = identity.parent;
        let info = edge.inform(peer, &parts, identity);
        let mut exchange = Exchange::begin(edge, (peer, route), &parts, info, (started, started + patience));
        exchange.relayed = relayed;
        let span = edge.span(&exchange, &parent);
        let origin = edge.cors.allowed(&parts.headers);
        let encoding = Encoding::accepted(&parts.headers);

        let end = exchange.deadline.into();
        let answer = {
            // Pinned where it is: handed from one wrapper to the next it would be copied each time.
            let answer = pin!(edge.answer(parts, body, &mut exchange));
            // Calls to other services, such as for an API key, end with the request that makes them.
            let answer = deadline::until(end, answer.instrument(span.clone()));
            let answer = AssertUnwindSafe(answer).catch_unwind();
            within(patience, pin!(answer)).await
        };
        let answer = match answer {
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => Err(Failure::internal(format_args!("panic: {}", words(&*panic)))),
            None => Err(exchange.too_late()),
        };

        let response = answer.unwrap_or_else(IntoResponse::into_response);
        let mut response = shape::problems(response, &exchange);
        if call {
            response = grpc::translate(response);
        }
        if edge.draining.has_begun() && version == Version::HTTP_11 {
            response
                .headers_mut()
                .entry(header::CONNECTION)
                .or_insert(HeaderValue::from_static("close"));
        }
        if !relayed {
            shape::headers(response.headers_mut(), &exchange);
            edge.cors.sign(response.headers_mut(), origin);
            response = compress::fit(response, &exchange.method, encoding, edge.config.compress_from);
        }
        span.record("http.response.status_code", response.status().as_u16());
        exchange.end(response.status(), response.body().size_hint().exact());
        response
    }
}

impl Inner {
    /// How long the request may take: what the settings say, or the gateway before this process if that is less.
    fn patience(&self, relayed: bool, route: &Route, parts: &Parts) -> Duration {
        let own = if route.is_upload(&parts.method) {
            self.config.upload_timeout.0
        } else {
            self.config.timeout.0
        };
        if !relayed {
            return own;
        }
        patience(&parts.headers).map_or(own, |left| left.min(own))
    }

    fn inform(&self, peer: SocketAddr, parts: &Parts, identity: Identity) -> RequestInfo {
        let source = self.proxies.source(peer.ip(), &parts.headers);
        let agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        RequestInfo(Arc::new(RequestFacts {
            request_id: identity.request_id,
            traceparent: identity.traceparent,
            address: source.address,
            user_agent: agent.map(|agent| agent[..agent.len().min(MAX_USER_AGENT)].to_owned()),
            secure: source.secure,
        }))
    }

    /// What is told of the request to a collector of traces; without one only to a log that asks for details.
    fn span(&self, exchange: &Exchange<'_>, parent: &TraceParent) -> Span {
        let (method, route, request_id) = (
            exchange.method.as_str(),
            exchange.route.name(),
            &*exchange.info.request_id,
        );
        if self.traces.is_none() {
            return tracing::debug_span!(
                "request",
                method,
                route,
                request_id,
                http.response.status_code = Empty
            );
        }
        let span = tracing::info_span!(
            "request",
            otel.kind = "server",
            method,
            route,
            request_id,
            http.response.status_code = Empty
        );
        adopt(&span, parent);
        span
    }

    /// Counts, limits and authenticates a request, and passes it on.
    async fn answer<B>(&self, mut parts: Parts, body: B, exchange: &mut Exchange<'_>) -> Result<Response>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if !exchange.relayed
            && let Some(answer) = self.enter(&parts, exchange).await?
        {
            return Ok(answer);
        }
        if let Some(Refused(failure)) = parts.extensions.remove() {
            return Err(failure);
        }
        let body = self.receive(&mut parts, body, exchange)?;
        parts.extensions.insert(exchange.info.clone());
        if parts.headers.contains_key(header::UPGRADE) {
            parts.extensions.insert(self.tunnels.clone());
        }
        parts.extensions.insert(ConnectInfo(exchange.peer));
        admit(&mut parts, &self.verifier, self.keys.as_deref()).await;
        if let Some(principal) = parts.extensions.get::<Arc<Principal>>() {
            exchange.user = Some(principal.user_id);
            if !exchange.relayed {
                let user = LimitKey::User(principal.user_id.uuid().into_bytes());
                exchange.tightest.take(&[(&self.per_user, user)]).await?;
            }
        }
        let request = Request::from_parts(parts, body);
        if let Some(remote) = &exchange.route.remote {
            return remote.pass_on(request, &exchange.info, exchange.deadline).await;
        }
        let answer = self.pass_on(request, exchange).await;
        match &exchange.arrival {
            // The endpoint knows only that it could not read the body, and not why.
            Some(arrival) if arrival.has_failed() && answer.status().as_u16() >= 400 => {
                Err(arrival.failure())
            }
            _ => Ok(answer),
        }
    }

    /// The body as it will be read: within its limits.
    ///
    /// # Errors
    /// 413 for a body that is known to be too large, before any of it is read.
    fn receive<B>(&self, parts: &mut Parts, body: B, exchange: &mut Exchange<'_>) -> Result<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let size = body.size_hint();
        if size.exact() == Some(0) {
            return Ok(Body::empty());
        }
        let remote = exchange.route.remote.as_ref();
        // A gRPC stream has no length and may be silent; its messages have their limits where they are read.
        let stream = remote.is_some_and(|remote| remote.grpc);
        let max = if stream {
            u64::MAX
        } else {
            exchange.route.max_body(&parts.method, &self.config)
        };
        if size.lower() > max {
            return Err(arriving::too_large(max));
        }
        // What only passes through takes up next to nothing, and so does what is stored while it arrives.
        let kept = match remote {
            Some(remote) => size.exact().is_some_and(|size| size <= remote.kept()),
            None => !exchange.route.is_upload(&parts.method),
        };
        let arrival = Arrival::new(max, kept.then_some((&self.bodies, exchange.info.address)));
        exchange.arrival = Some(arrival.clone());
        if remote.is_some() {
            parts.extensions.insert(arrival.clone());
        }
        let pace = Pace {
            grace: self.config.body_grace.0,
            rate: self.config.body_rate,
        };
        Ok(Arriving::body(body, arrival, (!stream).then_some(pace)))
    }

    /// Counts a request against what holds for anybody. Some: the answer to a preflight.
    async fn enter(&self, parts: &Parts, exchange: &mut Exchange<'_>) -> Result<Option<Response>> {
        let address = (&self.per_address, LimitKey::address(exchange.info.address));
        match exchange.route.limiter(&parts.method, exchange.info.address) {
            None => exchange.tightest.take(&[address]).await?,
            Some(of_route) => exchange.tightest.take(&[address, of_route]).await?,
        }
        limits::check_head(parts, &self.config)?;
        self.cors.preflight(parts)
    }

    /// Hands a request to its endpoint in this process.
    async fn pass_on(&self, mut request: Request, exchange: &Exchange<'_>) -> Response {
        if request.body().size_hint().exact() != Some(0) {
            // The edge's own limit holds; axum's would come on top of it.
            DefaultBodyLimit::disable().apply(&mut request);
        }
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let answer = if safe {
            self.router.clone().oneshot(request).await
        } else if *request.method() == Method::POST
            && request.headers().contains_key(names::IDEMPOTENCY_KEY)
            // What is compared with a later request has to be kept as a whole.
            && !exchange.route.is_upload(request.method())
        {
            request.extensions_mut().insert(End(exchange.deadline));
            self.repeatable.clone().oneshot(request).await
        } else {
            let traceparent = exchange.info.traceparent.clone();
            let answer = self.router.clone().oneshot(request).map(infallible);
            return settled(TRACEPARENT.scope(traceparent, answer)).await;
        };
        infallible(answer)
    }
}

/// How long the sender of a request that was passed on still waits, if it says so.
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get(REQUEST_TIMEOUT)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

fn infallible(answer: std::result::Result<Response, Infallible>) -> Response {
    answer.unwrap_or_else(|never| match never {})
}

/// In a request's extensions: why the server has it refused.
#[derive(Clone)]
pub(crate) struct Refused(pub(crate) Failure);

/// When the answer to a request has to be there, for the task that it is moved to.
#[derive(Clone, Copy)]
struct End(Instant);

/// Lets what the request causes know its trace, and its calls when they have to end.
async fn traced(info: RequestInfo, request: Request, next: Next) -> Response {
    let end = request.extensions().get::<End>().copied();
    let answer = settled(TRACEPARENT.scope(info.traceparent.clone(), next.run(request)));
    match end {
        Some(End(end)) => deadline::until(end.into(), answer).await,
        None => answer.await,
    }
}

/// What a panic says.
fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words")
}

/// For callers without a connection, such as tests. The peer is that of the `ConnectInfo` extension, or this machine.
impl Service<Request> for Edge {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, std::result::Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let edge = self.clone();
        let peer = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0);
        let peer = peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Box::pin(async move { Ok(edge.handle(peer, request).await) })
    }
}
