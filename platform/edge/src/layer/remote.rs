//! Routes whose requests are passed on.

use std::{sync::Arc, time::Instant};

use axum::{extract::Request, response::Response};
use http::{HeaderValue, Method, header};
use stoa_http::{Failure, RequestInfo, Result, codes, openapi};
use utoipa::openapi::OpenApi;

use super::routes::Routes;
use crate::{Forward, ForwardedRoutes};

/// Where the requests for a route go.
pub(super) struct Remote {
    to: Arc<dyn Forward>,
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
        self.to.forward(request, info, deadline).await
    }

    /// What is answered when the time of a request is over.
    pub(super) fn too_late(&self) -> Failure {
        self.to.too_late()
    }

    /// Bodies up to this length, in bytes, are kept in memory until they are answered.
    pub(super) fn kept(&self) -> u64 {
        self.to.kept()
    }
}

/// Notes at each route that is passed on where it goes.
pub(super) fn assign(routes: &mut Routes, forwarded: Vec<ForwardedRoutes>, described: &OpenApi) {
    let described = openapi::routes(described);
    for ForwardedRoutes { paths, grpc, to } in forwarded {
        for path in paths {
            let offered = if grpc {
                vec![Method::POST]
            } else {
                let offered = described.iter().filter(|route| route.path == path);
                offered.map(|route| route.method.clone()).collect()
            };
            let remote = Remote {
                to: Arc::clone(&to),
                methods: methods(offered),
                grpc,
            };
            routes.assign(&path, remote);
        }
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
