//! The edge in front of the services: the one that every process has, without limits on rates and without a log.

use std::sync::Arc;

use axum::{
    Router,
    middleware::{self, Next},
    response::Response,
};
use http::Request;
use stoa_edge::{Draining, Edge, EdgeConfig, EdgeParts, Tunnels};
use stoa_http::{FailureInfo, KeyAuthority, Protocol};
use stoa_kernel::Rate;
use utoipa::openapi::OpenApi;

use crate::{platform::Platform, settings};

/// Whose pages may call.
pub const ORIGIN: &str = "https://app.example.com";

/// Puts the edge around the endpoints. A test is a trusted proxy, so that it can call from any address, and by https.
pub(crate) fn around(
    router: Router,
    openapi: OpenApi,
    keys: Arc<dyn KeyAuthority>,
    (unlisted, protocols): (Vec<String>, Vec<Protocol>),
    platform: &Platform,
) -> Edge {
    let mut config: EdgeConfig = settings("gateway");
    let any: Rate = "1000000/s".parse().unwrap();
    (config.rate_limit.per_address, config.rate_limit.per_user) = (any, any);
    config.rate_limit.per_route.clear();
    config.cors.origins = vec![ORIGIN.parse().unwrap()];
    config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    Edge::new(EdgeParts {
        config,
        router: router.layer(middleware::from_fn(show_cause)),
        openapi,
        unlisted,
        protocols,
        verifier: platform.verifier.clone(),
        keys: Some(keys),
        cache: platform.cache.clone(),
        clock: platform.clock.clone(),
        access_log: None,
        traces: None,
        public_url: platform.public_url(),
        forwarded: Vec::new(),
        tunnels: Tunnels::default(),
        behind_gateway: false,
        draining: Draining::of(platform.draining.clone()),
    })
}

/// Prints what callers are not shown of a failure.
async fn show_cause(request: Request<axum::body::Body>, next: Next) -> Response {
    let what = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    let failure = response.extensions().get::<FailureInfo>();
    if let Some(cause) = failure.and_then(|info| info.0.internal.as_deref()) {
        eprintln!("{what}: {} {cause}", response.status());
    }
    response
}
