//! What is counted.

/// Names and help.
pub(crate) const METRICS: &[(&str, &str)] = &[
    ("stoa_realtime_connections", "Open connections, by kind."),
    (
        "stoa_realtime_published_total",
        "Messages that were added to the history of a channel, by who published them.",
    ),
    (
        "stoa_realtime_sent_total",
        "Messages that were handed to connections.",
    ),
    (
        "stoa_realtime_closed_total",
        "Connections that this process has closed, by reason.",
    ),
    (
        "stoa_realtime_recovered_total",
        "Subscriptions that came back for what they missed, by whether all of it was there.",
    ),
];
