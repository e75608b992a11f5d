//! What the internal listener serves: the local servers, health and reflection.

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use futures::FutureExt;
use tonic::{Status, body::Body, service::Routes};
use tonic_health::ServingStatus;
use tonic_reflection::server::Builder;

use crate::{call, deadline, directory::Server, trace::Trace};

pub(crate) fn of(servers: Vec<Server>) -> Router {
    let mut router = Routes::new(health(&servers)).into_axum_router();
    if let Some(reflection) = reflection(&servers) {
        router = router.merge(reflection);
    }
    for server in servers {
        router = router.merge(server.routes.into_axum_router().reset_fallback());
    }
    router.layer(middleware::from_fn(bounded))
}

/// Ends a call when the caller's time is up, and keeps its trace for the calls that it makes in turn.
async fn bounded(request: Request, next: Next) -> Response {
    let (trace, limit) = (Trace::of(request.headers()), deadline::read(request.headers()));
    let handler = next.run(request).map(|response| response.map(Body::new));
    let answer = call::handle(trace, limit, handler).await;
    answer
        .unwrap_or_else(Status::into_http)
        .map(axum::body::Body::new)
}

/// Each contract by its full name, and the empty name for the whole, are said to be serving.
fn health(
    servers: &[Server],
) -> tonic_health::pb::health_server::HealthServer<impl tonic_health::pb::health_server::Health> {
    let (reporter, service) = tonic_health::server::health_reporter();
    for name in servers.iter().flat_map(|server| &server.names) {
        // Nobody else has the reporter: this never waits.
        let set = tokio::task::unconstrained(reporter.set_service_status(name, ServingStatus::Serving))
            .now_or_never();
        debug_assert!(set.is_some(), "the reporter is this function's alone");
    }
    service
}

fn reflection(servers: &[Server]) -> Option<Router> {
    let mut builder =
        Builder::configure().register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    for server in servers {
        builder = builder.register_encoded_file_descriptor_set(server.descriptors);
    }
    match builder.build_v1() {
        Ok(service) => Some(Routes::new(service).into_axum_router().reset_fallback()),
        Err(error) => {
            tracing::error!(%error, "a compiled contract cannot be read; reflection is not served");
            None
        }
    }
}
