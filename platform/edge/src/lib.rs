//! The HTTP server of every process: listener, limits, tokens, errors, logs, and the pages that belong to no service.
//!
//! [`pages`] gives the pages, to be merged with the endpoints of services. [`Edge`] wraps the merged router in one layer that
//! does everything a request needs on its way in and out. [`serve`] runs it on a listener. Requests for services of other
//! processes go to whatever [`Forward`]s them.

mod codes;
mod config;
mod draining;
mod forward;
mod layer;
mod pages;
mod server;
pub mod threads;
mod tunnels;

pub use codes::{BODY_TOO_SLOW, CODES, ORIGIN_NOT_ALLOWED, REFUSED, URI_TOO_LONG};
pub use config::{CorsConfig, EdgeConfig, Network, Origin, RateLimitConfig, RouteRate};
pub use draining::Draining;
pub use forward::{Forward, ForwardedRoutes, REQUEST_TIMEOUT};
pub use layer::{Arrival, Edge, EdgeParts};
pub use pages::{Detail, HealthCheck, MetricsRead, PagesParts, pages};
pub use server::{Answers, Held, ServerLimits, ServerOptions, redirect, serve, serve_with};
pub use tunnels::Tunnels;

/// What it measures, and the help of each.
pub const METRICS: &[(&str, &str)] = &[
    (
        "http_request_duration_seconds",
        "Time from a request to the head of its answer, by route, method and class of status.",
    ),
    (
        "http_requests_in_flight",
        "Requests that have not been answered yet.",
    ),
];
