//! The edge of the public listener: limits, tokens, errors, logs, and the pages that belong to no service.
//!
//! [`pages`] gives the gateway's own endpoints, to be merged with those of the services. [`Edge`] wraps the merged
//! router in one layer that does everything a request needs on its way in and out. [`serve`] runs it on a listener.

mod codes;
mod config;
mod edge;
mod pages;
mod server;

pub use codes::{CODES, ORIGIN_NOT_ALLOWED, REFUSED, URI_TOO_LONG};
pub use config::{CorsConfig, GatewayConfig, Network, Origin, RateLimitConfig, RouteRate};
pub use edge::{AsIs, Edge, EdgeParts};
pub use pages::{Detail, HealthCheck, MetricsRead, PagesParts, pages};
pub use server::{Answers, ServerLimits, ServerOptions, redirect, serve, serve_with};
