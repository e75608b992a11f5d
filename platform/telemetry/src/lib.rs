//! Logs, metrics and traces.
//!
//! [`init`] sets up all three for the process. The access log is apart: its lines are ready-made, and whoever writes one
//! never waits.

mod access_log;
mod config;
mod init;
mod json_line;
mod logs;
mod metrics;
mod process;
mod traceparent;
mod traces;

pub use access_log::AccessLog;
pub use config::{LogFormat, TelemetryConfig, TelemetryError};
pub use init::{LogLevel, Telemetry, init};
pub use metrics::{Metrics, describe};
pub use process::max_open_files;
pub use traceparent::{TraceParent, TraceParentError};
pub use traces::adopt;
