//! What surrounds a handler, whether its caller is in this process or not.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use http::Response;
use tonic::{Status, body::Body};

use crate::{deadline, trace::Trace};

/// Runs a call's handler within its trace and its time. A handler that panics fails its own call alone.
pub(crate) async fn handle<F>(
    trace: Trace,
    limit: Option<Duration>,
    handler: F,
) -> Result<Response<Body>, Status>
where
    F: Future<Output = Response<Body>>,
{
    let handler = AssertUnwindSafe(trace.scope(handler)).catch_unwind();
    let outcome = match limit {
        Some(limit) => tokio::time::timeout(limit, deadline::within(limit, handler))
            .await
            .map_err(|_| too_late(limit))?,
        None => handler.await,
    };
    outcome.map_err(|_| Status::internal("the handler panicked"))
}

pub(crate) fn too_late(limit: Duration) -> Status {
    Status::deadline_exceeded(format!("no answer within {limit:?}"))
}
