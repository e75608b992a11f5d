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
pub use upstream::{GrpcUpstream, UpstreamConfig, UpstreamUrl, Upstreams};
