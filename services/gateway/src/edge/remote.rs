//! Routes whose service runs in another process.

use std::{sync::Arc, time::Instant};

use axum::{extract::Request, response::Response};
use http::{HeaderValue, Method, header};
use stoa_http::{Failure, RequestInfo, Result, codes, openapi};
use utoipa::openapi::OpenApi;

use super::routes::Routes;
use crate::{
    Upstreams,
    codes::UPSTREAM_UNAVAILABLE,
    upstream::{Service, too_late},
};

/// The routes of a service that does not run in this process.
#[derive(Clone, Debug)]
pub struct RemoteRoutes {
    /// Its name, as in `gateway.upstreams`.
    pub service: &'static str,
    /// Its paths as the API description writes them, or for those that it does not list as axum does.
    pub paths: Vec<String>,
}

/// Where the requests for a route go.
pub(super) struct Remote {
    /// None where the settings do not say where the service runs.
    service: Option<Arc<Service>>,
    /// What the description offers; none for a route that it does not list.
    methods: Option<(Vec<Method>, HeaderValue)>,
    pub(super) grpc: bool,
}

impl Remote {
    /// # Errors
    /// 405 for a method that the route does not offer, 502 to 504 for a service that does not answer.
    pub(super) async fn pass_on(
        &self,
        request: Request,
        info: &RequestInfo,
        deadline: Instant,
    ) -> Result<Response> {
        if let Some((methods, allow)) = &self.methods
            && !methods.contains(request.method())
        {
            return Err(Failure::new(codes::METHOD_NOT_ALLOWED).header(header::ALLOW, allow.clone()));
        }
        let Some(service) = &self.service else {
            return Err(Failure::new(UPSTREAM_UNAVAILABLE)
                .header(header::RETRY_AFTER, HeaderValue::from_static("60"))
                .cause("gateway.upstreams does not say where this service runs"));
        };
        // Boxed, so that requests that are answered here do not carry the way elsewhere with them.
        Box::pin(service.forward(request, info, deadline)).await
    }

    /// What is answered when the time of a request is over.
    pub(super) fn too_late() -> Failure {
        too_late()
    }
}

/// Notes at each route of a remote service where it goes, and adds the routes of public gRPC services.
pub(super) fn assign(
    routes: &mut Routes,
    remote: &[RemoteRoutes],
    upstreams: Option<&Upstreams>,
    described: &OpenApi,
) {
    let described = openapi::routes(described);
    for RemoteRoutes { service: name, paths } in remote {
        let service = upstreams.and_then(|upstreams| upstreams.service(name));
        if service.is_none() {
            tracing::warn!(
                service = name,
                "gateway.upstreams names no address of this service; its routes answer 503"
            );
        }
        for path in paths {
            let offered = described.iter().filter(|route| route.path == *path);
            let remote = Remote {
                service: service.cloned(),
                methods: methods(offered.map(|route| route.method.clone()).collect()),
                grpc: false,
            };
            routes.assign(path, remote);
        }
    }
    for (name, service) in upstreams.into_iter().flat_map(Upstreams::grpc) {
        let remote = Remote {
            service: Some(Arc::clone(service)),
            methods: methods(vec![Method::POST]),
            grpc: true,
        };
        routes.assign(&format!("/{name}/{{method}}"), remote);
    }
}

/// The methods, and how `Allow` tells them; GET is HEAD too.
fn methods(mut offered: Vec<Method>) -> Option<(Vec<Method>, HeaderValue)> {
    if offered.contains(&Method::GET) && !offered.contains(&Method::HEAD) {
        offered.push(Method::HEAD);
    }
    let names: Vec<_> = offered.iter().map(Method::as_str).collect();
    let allow = HeaderValue::try_from(names.join(",")).ok()?;
    (!offered.is_empty()).then_some((offered, allow))
}
