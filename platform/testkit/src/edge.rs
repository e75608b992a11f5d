//! A small edge in front of the services: what the gateway does, without limits and logs.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::Response,
};
use http::{HeaderValue, header};
use stoa_cache::Cache;
use stoa_http::{
    FailureInfo, Idempotency, KeyAuthority, RequestFacts, RequestInfo, Verifier, admit, idempotent, names,
    settled, with_request_id,
};
use stoa_kernel::random;

/// Header by which a test calls from another address.
pub(crate) const ADDRESS: &str = "x-test-address";
/// Header by which a test calls as if by https.
pub(crate) const SECURE: &str = "x-test-secure";
const BODY_LIMIT: usize = 2 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) verifier: Verifier,
    pub(crate) keys: Arc<dyn KeyAuthority>,
}

/// Puts the edge around `router`. From the outside in: request id and caller, body limit, idempotency, trace.
pub(crate) fn around(router: Router, edge: Edge, cache: Cache) -> Router {
    router
        .fallback(stoa_http::not_found)
        .method_not_allowed_fallback(stoa_http::method_not_allowed)
        .layer(middleware::from_fn(traced))
        .layer(middleware::from_fn_with_state(
            Idempotency::new(cache),
            idempotent,
        ))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(edge, enter))
}

async fn enter(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let request_id = header(names::REQUEST_ID).unwrap_or_else(random::token::<12>);
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip());
    let told = header(ADDRESS).map(|address| address.parse::<IpAddr>().unwrap());
    let facts = RequestFacts {
        request_id: request_id.clone(),
        traceparent: header("traceparent").unwrap_or_else(traceparent),
        address: told.or(peer).unwrap_or(IpAddr::from([127, 0, 0, 1])),
        user_agent: header(header::USER_AGENT.as_str()),
        secure: parts.headers.contains_key(SECURE),
    };
    parts.extensions.insert(RequestInfo(Arc::new(facts)));
    admit(&mut parts, &edge.verifier, Some(&*edge.keys)).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some(cause) = response
        .extensions()
        .get::<FailureInfo>()
        .and_then(|info| info.0.internal.as_deref())
    {
        eprintln!("{} {request_id}: {cause}", response.status());
    }
    let mut response = with_request_id(response, &request_id);
    response
        .headers_mut()
        .insert(names::REQUEST_ID, HeaderValue::try_from(request_id).unwrap());
    response
}

/// Lets what the handler emits belong to the request's trace.
async fn traced(info: RequestInfo, request: Request, next: Next) -> Response {
    settled(stoa_events::TRACEPARENT.scope(info.traceparent.clone(), next.run(request))).await
}

fn traceparent() -> String {
    let [trace, span] = [
        u128::from_be_bytes(random::bytes()),
        u128::from(u64::from_be_bytes(random::bytes())),
    ];
    format!("00-{trace:032x}-{span:016x}-01")
}
