//! The trace that calls belong to, carried from hop to hop in their metadata.

use http::{HeaderMap, HeaderName, HeaderValue};

/// W3C trace context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: Trace;
}

/// The trace and the request that the work at hand belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// `traceparent`, as the W3C writes it.
    pub traceparent: Option<HeaderValue>,
    /// `x-request-id`.
    pub request_id: Option<HeaderValue>,
}

impl Trace {
    /// The trace of these two texts; what cannot stand in a header is left out.
    #[must_use]
    pub fn new(traceparent: &str, request_id: &str) -> Self {
        Self {
            traceparent: HeaderValue::from_str(traceparent).ok(),
            request_id: HeaderValue::from_str(request_id).ok(),
        }
    }

    /// The trace that a request or call says it belongs to.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            traceparent: headers.get(TRACEPARENT).cloned(),
            request_id: headers.get(REQUEST_ID).cloned(),
        }
    }

    /// Runs `work` as part of this trace: the calls it makes carry it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Adds what is known to `headers`, where they say nothing themselves.
    fn fill(&self, headers: &mut HeaderMap) {
        for (name, value) in [(TRACEPARENT, &self.traceparent), (REQUEST_ID, &self.request_id)] {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
    }
}

/// The trace that the work at hand belongs to, if it was put in [`Trace::scope`].
#[must_use]
pub fn current() -> Option<Trace> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Lets an outgoing call carry the trace of the work at hand.
pub(crate) fn propagate(headers: &mut HeaderMap) {
    // Without a scope there is nothing to carry.
    let _ = CURRENT.try_with(|trace| trace.fill(headers));
}
