//! The gateway: passes requests on to the services that run in other processes, and watches over those processes.
//!
//! Everything else that happens to a request before it reaches a service is done by the edge, which every process has.

mod codes;
mod config;
mod upstream;

pub use codes::{UPSTREAM_TIMEOUT, UPSTREAM_UNAVAILABLE};
pub use config::GatewayConfig;
use stoa_service::Descriptor;
pub use upstream::{GrpcUpstream, RemoteRoutes, UpstreamConfig, UpstreamUrl, Upstreams};

/// The service. Where it runs, requests for all others come in.
pub const SERVICE: Descriptor = Descriptor {
    about: "the edge: limits, tokens, routing, health, metrics and the pages of the API",
    defaults: include_str!("../defaults.toml"),
    port: 3000,
    codes: codes::CODES,
    metrics: &[
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
