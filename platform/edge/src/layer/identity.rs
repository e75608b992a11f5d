//! What names a request: its own id, and the W3C trace that it belongs to.

use std::fmt::Write;

use http::HeaderMap;
use stoa_http::names;
use stoa_kernel::random;
use stoa_telemetry::TraceParent;

/// Header of the W3C trace context.
const TRACEPARENT: &str = "traceparent";
/// Longest request id that is taken over from a caller.
const MAX_REQUEST_ID: usize = 64;

/// A request's names.
pub(super) struct Identity {
    /// The caller's, if sane; else a new one.
    pub(super) request_id: String,
    /// For whatever the request causes: the caller's trace, or a new one, with the edge as parent.
    pub(super) traceparent: String,
    /// What caused the request: the caller's, or the beginning of the new trace.
    pub(super) parent: TraceParent,
}

impl Identity {
    /// Reads the names that the caller gave, and makes up the rest. A request without any has one name for both.
    /// `sampled` is the share of new traces that are to be sent.
    pub(super) fn of(headers: &HeaderMap, sampled: f64) -> Self {
        let given = headers
            .get(names::REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .filter(|id| sane(id));
        let caused: Option<TraceParent> = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        let (parent, own) = match caused {
            Some(caused) => (caused, caused.child()),
            None => {
                let new = TraceParent::generate(sampled > 0.0 && random::fraction() < sampled);
                (new, new)
            }
        };
        let mut traceparent = String::with_capacity(55);
        // Writing to a string does not fail.
        let _ = write!(traceparent, "{own}");
        let request_id = match (given, caused) {
            (Some(given), _) => given.to_owned(),
            (None, None) => trace_id(&traceparent).to_owned(),
            (None, Some(_)) => hex::encode(random::bytes::<16>()),
        };
        Self {
            request_id,
            traceparent,
            parent,
        }
    }
}

/// The trace's id within a `traceparent` of ours.
pub(super) fn trace_id(traceparent: &str) -> &str {
    traceparent.get(3..35).unwrap_or_default()
}

fn sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(name: &'static str, value: &str) -> Identity {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        Identity::of(&headers, 1.0)
    }

    #[test]
    fn a_sane_request_id_is_kept_and_others_are_replaced() {
        for id in ["a", "Order_7.retry-2", &"x".repeat(64)] {
            assert_eq!(of("x-request-id", id).request_id, id);
        }
        for id in ["", "with space", "a\"b", "a/b", &"x".repeat(65)] {
            assert_ne!(of("x-request-id", id).request_id, id);
        }
    }

    #[test]
    fn a_trace_is_continued_with_a_span_of_our_own() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let identity = of("traceparent", &format!("00-{trace}-00f067aa0ba902b7-00"));
        assert_eq!(trace_id(&identity.traceparent), trace);
        assert!(identity.traceparent.ends_with("-00"));
        assert!(!identity.traceparent.contains("00f067aa0ba902b7"));
        assert_ne!(
            identity.request_id, trace,
            "two requests of one trace have ids of their own"
        );
    }

    #[test]
    fn a_malformed_trace_is_not_continued() {
        let identity = of(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        );
        assert_eq!(identity.traceparent.len(), 55);
        assert_ne!(
            trace_id(&identity.traceparent),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }

    #[test]
    fn of_new_traces_only_the_wanted_share_is_sent() {
        assert!(Identity::of(&HeaderMap::new(), 1.0).parent.is_sampled());
        assert!(!Identity::of(&HeaderMap::new(), 0.0).parent.is_sampled());
        let sent = (0..1000)
            .filter(|_| Identity::of(&HeaderMap::new(), 0.5).parent.is_sampled())
            .count();
        assert!((350..650).contains(&sent), "{sent}");
    }
}
