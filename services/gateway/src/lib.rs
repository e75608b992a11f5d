//! The edge of the public listener: limits, tokens, errors, logs, and the pages that belong to no service.
//!
//! [`pages`] gives the gateway's own endpoints, to be merged with those of the services. [`Edge`] wraps the merged
//! router in one layer that does everything a request needs on its way in and out. [`serve`] runs it on a listener.

mod codes;
mod config;
mod draining;
mod edge;
mod pages;
mod server;
mod threads;
mod upstream;

pub use codes::{
    BODY_TOO_SLOW, CODES, ORIGIN_NOT_ALLOWED, REFUSED, UPSTREAM_TIMEOUT, UPSTREAM_UNAVAILABLE, URI_TOO_LONG,
};
pub use config::{CorsConfig, GatewayConfig, Network, Origin, RateLimitConfig, RouteRate};
pub use draining::Draining;
pub use edge::{AsIs, Edge, EdgeParts, RemoteRoutes};
pub use pages::{Detail, HealthCheck, MetricsRead, PagesParts, pages};
pub use server::{Answers, ServerLimits, ServerOptions, redirect, serve, serve_with};
use stoa_service::Descriptor;
pub use upstream::{GrpcUpstream, UpstreamConfig, UpstreamUrl, Upstreams};

/// The service. Where it runs it is the edge around all others.
pub const SERVICE: Descriptor = Descriptor {
    about: "the edge: limits, tokens, routing, health, metrics and the pages of the API",
    defaults: include_str!("../defaults.toml"),
    port: 3000,
    metrics: &[
        (
            "http_request_duration_seconds",
            "Time from a request to the head of its answer, by route, method and class of status.",
        ),
        (
            "http_requests_in_flight",
            "Requests that have not been answered yet.",
        ),
        (
            "stoa_upstream_requests_total",
            "Requests to a replica of another process, by how they ended.",
        ),
        (
            "stoa_upstream_request_seconds",
            "Time to the head of a replica's answer.",
        ),
        (
            "stoa_upstream_healthy",
            "1 while requests are sent to the replica, else 0.",
        ),
        (
            "stoa_upstream_retries_total",
            "Requests to a service that were tried again.",
        ),
        (
            "stoa_upstream_breaker_open",
            "1 while a service is left alone because it did not answer, else 0.",
        ),
        ("stoa_upstream_tunnels", "WebSockets to a service that are open."),
    ],
    ..Descriptor::named("gateway")
};
