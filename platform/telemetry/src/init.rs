//! Setting everything up, once for a process, and winding it down.

use std::io::{self, IsTerminal};

use opentelemetry_sdk::{error::OTelSdkError, trace::SdkTracerProvider};
use tracing_subscriber::{
    Registry, fmt::writer::BoxMakeWriter, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{Metrics, TelemetryConfig, TelemetryError, logs, traces};

/// What [`init`] set up.
pub struct Telemetry {
    metrics: Metrics,
    traces: Option<SdkTracerProvider>,
}

/// Sets up logs (on standard error), metrics and, where a collector is named, traces of the service `service_name`.
/// Once for a process; within a tokio runtime if traces are sent.
///
/// # Errors
/// When the settings cannot be used, or when it was done before.
pub fn init(config: &TelemetryConfig, service_name: &'static str) -> Result<Telemetry, TelemetryError> {
    let logs = logs::layer(config, BoxMakeWriter::new(io::stderr), io::stderr().is_terminal())?;
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
    })
}

impl Telemetry {
    /// The metrics, for whoever serves them.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
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
