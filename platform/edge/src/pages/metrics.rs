//! The metrics, for Prometheus.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use stoa_http::{Actor, Anyone, Failure, Result, SignedIn, codes};

use super::Shared;

/// Metrics in Prometheus' text format.
///
/// Open to callers in `gateway.metrics_from`, to others with the permission `metrics.read`. What a proxy passes on needs the
/// permission.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "All metrics.", body = String, content_type = "text/plain")
))]
pub(super) async fn metrics(
    _: Anyone,
    State(shared): State<Arc<Shared>>,
    actor: Result<Actor<SignedIn>>,
    request: Request,
) -> Result<Response> {
    if !shared.insider(&request.into_parts().0) {
        // Unknown callers may sign in; known ones may not.
        actor?;
        return Err(Failure::new(codes::FORBIDDEN).detail("This needs the permission metrics.read."));
    }
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, text)], (shared.metrics)()).into_response())
}
