//! The transport under generated clients.

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tonic::{Status, TimeoutExpired, body::Body, service::Routes, transport};
use tower::Service;

use crate::{
    call, deadline,
    directory::{Slot, Target},
    trace::{self, Trace},
};

/// Where a generated client sends its calls: `AccessClient::new(directory.channel("auth"))`. Cheap to clone.
///
/// A call without a `grpc-timeout` gets five seconds. Past its time it fails with `deadline_exceeded`; for calls that
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
        match self.0.target() {
            Some(Target::Local(routes)) => Box::pin(local(routes, request, limit)),
            Some(Target::Remote(channel)) => Box::pin(remote(channel, request, limit)),
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
    mut channel: transport::Channel,
    request: Request<Body>,
    limit: Duration,
) -> Result<Response<Body>, Status> {
    let answer = async move {
        std::future::poll_fn(|context| channel.poll_ready(context)).await?;
        channel.call(request).await
    };
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) if is_timeout(&error) => Err(call::too_late(limit)),
        Ok(Err(error)) => Err(Status::from_error(Box::new(error))),
        Err(_) => Err(call::too_late(limit)),
    }
}

/// The transport counts the same time; whichever of the two notices first, the answer is the same.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(<dyn Error + 'static>::is::<TimeoutExpired>)
}
