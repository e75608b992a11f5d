//! The transport under generated clients.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::{Status, body::Body, service::Routes};
use tower::Service;

use crate::{
    call, deadline,
    directory::{Slot, Target},
    remote::Remote,
    trace::{self, Trace},
};

/// Where a generated client sends its calls: `AccessClient::new(directory.channel("auth"))`. Cheap to clone.
///
/// A call without a `grpc-timeout` gets five seconds, and none more than is left to the call within which it is made. Past its time it fails with `deadline_exceeded`; for calls that
/// stream their answer the time is that until the stream begins.
#[derive(Clone)]
pub struct Channel(pub(crate) Arc<Slot>);

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        trace::propagate(request.headers_mut());
        let limit = deadline::of_call(request.headers_mut());
        if limit.is_zero() {
            let status = Status::deadline_exceeded("no time is left for this call");
            return Box::pin(std::future::ready(Err(status)));
        }
        match self.0.target() {
            Some(Target::Local(routes)) => Box::pin(local(routes, request, limit)),
            Some(Target::Remote(there)) => Box::pin(remote(there, request, limit)),
            None => {
                let status = Status::unavailable(format!(
                    "service '{}' is not reachable: nobody said where it runs",
                    self.0.name
                ));
                Box::pin(std::future::ready(Err(status)))
            }
        }
    }
}

async fn local(
    mut routes: Routes,
    request: Request<Body>,
    limit: Duration,
) -> Result<Response<Body>, Status> {
    let trace = Trace::of(request.headers());
    let handler = async move {
        match routes.call(request).await {
            Ok(response) => response,
            Err(never) => match never as Infallible {},
        }
    };
    call::handle(trace, Some(limit), handler).await
}

async fn remote(
    remote: Arc<Remote>,
    request: Request<Body>,
    limit: Duration,
) -> Result<Response<Body>, Status> {
    tokio::time::timeout(limit, remote.call(request))
        .await
        .map_err(|_| call::too_late(limit))?
}
