//! Setting everything up, once for a process, and winding it down.

use std::io::{self, IsTerminal};

use opentelemetry_sdk::{error::OTelSdkError, trace::SdkTracerProvider};
use tracing_subscriber::{
    Registry, fmt::writer::BoxMakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    Metrics, TelemetryConfig, TelemetryError,
    logs::{self, Directives},
    traces,
};

/// What [`init`] set up.
pub struct Telemetry {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
    log: LogLevel,
}

/// What is logged, to be changed while the process runs. Cheap to clone.
#[derive(Clone)]
pub struct LogLevel(Directives<Registry>);

impl LogLevel {
    /// Logs from now on what `telemetry.log` names in these settings.
    ///
    /// # Errors
    /// When it cannot be read; then what was logged before is logged on.
    pub fn set(&self, config: &TelemetryConfig) -> Result<(), TelemetryError> {
        let changed = self.0.reload(config.filter()?);
        changed.map_err(|e| TelemetryError(format!("telemetry.log cannot be changed: {e}")))
    }
}

/// Sets up logs (on standard error), metrics and, where a collector is named, traces of the service `service_name`.
/// Once for a process; within a tokio runtime if traces are sent.
///
/// # Errors
/// When the settings cannot be used, or when it was done before.
pub fn init(config: &TelemetryConfig, service_name: &'static str) -> Result<Telemetry, TelemetryError> {
    let (logs, directives) = logs::layer(config, BoxMakeWriter::new(io::stderr), io::stderr().is_terminal())?;
    let provider = traces::provider(config, service_name)?;
    let traces = provider
        .as_ref()
        .map(|provider| traces::layer(provider, service_name));
    Registry::default()
        .with(logs)
        .with(traces)
        .try_init()
        .map_err(|e| TelemetryError(format!("logs are set up already: {e}")))?;
    Ok(Telemetry {
        metrics: Metrics::install()?,
        traces: provider,
        log: LogLevel(directives),
    })
}

impl Telemetry {
    /// The metrics, for whoever serves them.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// What is logged.
    #[must_use]
    pub fn log_level(&self) -> LogLevel {
        self.log.clone()
    }

    /// Whether traces are sent, so that spans are worth making.
    #[must_use]
    pub fn traces(&self) -> bool {
        self.traces.is_some()
    }

    /// Sends what traces are still held back. Blocks for some seconds at most; a second call does nothing.
    pub fn shutdown(&self) {
        let Some(provider) = &self.traces else { return };
        match provider.shutdown_with_timeout(traces::TIMEOUT) {
            Ok(()) | Err(OTelSdkError::AlreadyShutdown) => {}
            Err(error) => tracing::warn!(%error, "the last traces may not have been sent"),
        }
    }
}
