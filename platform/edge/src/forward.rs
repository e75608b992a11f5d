//! Requests that this process does not answer itself.

use std::{fmt, sync::Arc, time::Instant};

use axum::{extract::Request, response::Response};
use futures::future::BoxFuture;
use http::HeaderName;
use stoa_http::{Failure, RequestInfo, Result};

/// In a request that was passed on: how many milliseconds its sender still waits for the answer.
pub const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// Passes requests on to a process that answers them.
pub trait Forward: Send + Sync {
    /// The answer of the other process, or a failure where there is none by `deadline`.
    fn forward<'a>(
        &'a self,
        request: Request,
        info: &'a RequestInfo,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Response>>;

    /// What is answered when the time of a request is over.
    fn too_late(&self) -> Failure;

    /// Bodies up to this length, in bytes, are kept in memory until they are answered.
    fn kept(&self) -> u64;
}

/// Routes whose requests are passed on.
#[derive(Clone)]
pub struct ForwardedRoutes {
    /// Paths as the API description writes them, or for those that it does not list as axum does.
    pub paths: Vec<String>,
    /// Whether they are of gRPC, which has POST only and streams without an end.
    pub grpc: bool,
    /// Where their requests go.
    pub to: Arc<dyn Forward>,
}

impl fmt::Debug for ForwardedRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedRoutes")
            .field("paths", &self.paths)
            .field("grpc", &self.grpc)
            .finish_non_exhaustive()
    }
}
