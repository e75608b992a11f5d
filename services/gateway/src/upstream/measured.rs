//! What is measured of replicas.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

/// How a request to a replica ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Any answer below 500.
    Answered,
    /// An answer of 5xx.
    Refused,
    /// No connection.
    Unreached,
    /// The connection broke before there was an answer.
    Lost,
    /// There was no answer in time, or the caller went away.
    Abandoned,
}

const OUTCOMES: [&str; 5] = ["answered", "5xx", "unreached", "lost", "abandoned"];

/// The measurements of one replica, made once.
pub(super) struct Measured {
    outcomes: [Counter; OUTCOMES.len()],
    duration: Histogram,
    healthy: Gauge,
}

impl Measured {
    pub(super) fn new(service: &str, upstream: &str) -> Self {
        let labels = || [("service", service.to_owned()), ("upstream", upstream.to_owned())];
        let counter = |outcome| {
            let [service, upstream] = labels();
            metrics::counter!(
                "stoa_upstream_requests_total",
                &[service, upstream, ("outcome", String::from(outcome))]
            )
        };
        Self {
            outcomes: OUTCOMES.map(counter),
            duration: metrics::histogram!("stoa_upstream_request_seconds", &labels()),
            healthy: metrics::gauge!("stoa_upstream_healthy", &labels()),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].increment(1);
    }

    /// The head of an answer came after so long.
    pub(super) fn took(&self, time: Duration) {
        self.duration.record(time.as_secs_f64());
    }

    pub(super) fn healthy(&self, healthy: bool) {
        self.healthy.set(if healthy { 1.0 } else { 0.0 });
    }
}
