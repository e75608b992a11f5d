//! What the gateway itself answers: health, metrics, the API's description, and a few pages for people.

mod docs;
pub(crate) mod document;
mod health;
mod home;
mod metrics;
mod problems;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header, request::Parts};
use stoa_http::{Code, endpoints};
use stoa_kernel::Principal;
use utoipa_axum::router::OpenApiRouter;

pub use self::health::{Detail, HealthCheck};
use crate::{Draining, Network, layer::Inside};

stoa_http::permission!(
    /// May read metrics and what lies behind the state of health.
    pub MetricsRead = "metrics.read"
);

/// Routes that the API's description does not list.
pub(crate) const UNLISTED: &[&str] = &[
    "/",
    "/favicon.svg",
    "/api/docs",
    "/api/docs/{file}",
    "/api/openapi.json",
];

/// What the gateway's own pages are made of.
pub struct PagesParts {
    /// Version of the running program.
    pub version: &'static str,
    /// The address under which people reach this installation.
    pub public_url: String,
    /// Whether `/dev/mail` is served, so that the landing page shows the way.
    pub mailbox: bool,
    /// What this process depends on.
    pub checks: Vec<HealthCheck>,
    /// The codes of the services of this process. The platform's and the gateway's own are known.
    pub codes: Vec<Code>,
    /// Writes the metrics down in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Networks whose callers count as inside: `gateway.metrics_from`.
    pub metrics_from: Vec<Network>,
    /// Whether this process is about to stop.
    pub draining: Draining,
}

/// What handlers share.
struct Shared {
    version: &'static str,
    public_url: String,
    mailbox: bool,
    checks: Vec<HealthCheck>,
    codes: Vec<Code>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    inside: Inside,
    draining: Draining,
}

/// The gateway's endpoints, to be merged with those of the services.
pub fn pages(parts: PagesParts) -> OpenApiRouter {
    let mut codes = [stoa_http::codes::CODES, crate::CODES, &parts.codes].concat();
    codes.sort_by_key(|code| (code.status, code.code));
    codes.dedup_by_key(|code| code.code);
    let shared = Arc::new(Shared {
        version: parts.version,
        inside: Inside::new(parts.metrics_from),
        public_url: parts.public_url,
        mailbox: parts.mailbox,
        checks: parts.checks,
        codes,
        metrics: parts.metrics,
        draining: parts.draining,
    });
    endpoints!(
        health::live,
        health::ready,
        health::health,
        metrics::metrics,
        problems::problem
    )
    .route("/", axum::routing::get(home::home))
    .route("/favicon.svg", axum::routing::get(home::favicon))
    .route("/api/docs", axum::routing::get(docs::show))
    .route("/api/docs/{file}", axum::routing::get(docs::file))
    .with_state(shared)
}

impl Shared {
    /// Whether the caller may see how this installation is doing inside.
    fn insider(&self, parts: &Parts) -> bool {
        let principal = parts.extensions.get::<Arc<Principal>>();
        self.inside.contains(parts)
            || principal.is_some_and(|principal| principal.permissions.permits(MetricsRead::NAME))
    }
}

/// Pages carry their style in themselves, show nothing of others, and run no scripts.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'none'";

/// A page under a content security policy.
fn page(html: impl Into<String>, policy: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, html.into()).into_response()
}
