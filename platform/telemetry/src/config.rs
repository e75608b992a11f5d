//! What can be set, and what is wrong with it.

use serde::Deserialize;

/// The section `telemetry` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What is logged: a level, or directives such as `info,stoa_auth=debug`.
    pub log: String,
    /// How a line looks.
    pub log_format: LogFormat,
    /// Address of an OTLP collector (gRPC), such as `http://127.0.0.1:4317`. Empty: no traces are sent.
    pub otlp_endpoint: String,
    /// Share of traces that are sent, 0.0 to 1.0. Who continues a trace follows the one who began it.
    pub trace_ratio: f64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TelemetryError(pub(crate) String);
