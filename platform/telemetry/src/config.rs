//! What can be set, and what is wrong with it.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use url::Url;

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

/// Levels, as a directive without a target writes them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl TelemetryConfig {
    /// Refuses what nothing can be logged or sent by.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), TelemetryError> {
        self.filter()?;
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            return Err(TelemetryError(format!(
                "telemetry.trace_ratio: {} is not between 0.0 and 1.0",
                self.trace_ratio
            )));
        }
        let endpoint = Url::parse(&self.otlp_endpoint);
        let usable =
            endpoint.is_ok_and(|url| url.scheme() == "http" && url.has_host() && url.username().is_empty());
        if !self.otlp_endpoint.is_empty() && !usable {
            return Err(TelemetryError(
                "telemetry.otlp_endpoint cannot be used: write http://host:port, or leave it empty"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Which lines are logged.
    pub(crate) fn filter(&self) -> Result<EnvFilter, TelemetryError> {
        let wrong = |why: String| {
            TelemetryError(format!(
                "telemetry.log: '{}' is neither a level nor a list of directives: {why}",
                self.log
            ))
        };
        // The parser takes a word that is no level for the name of a program part, and would log nothing else.
        let words = self.log.split(',').map(str::trim);
        let mut bare = words.filter(|word| !word.is_empty() && !word.contains(['=', '[']));
        if let Some(word) = bare.find(|word| !LEVELS.contains(&word.to_ascii_lowercase().as_str())) {
            return Err(wrong(format!("'{word}' is not one of {}", LEVELS.join(", "))));
        }
        EnvFilter::try_new(format!("{SILENT},{}", self.log)).map_err(|e| wrong(e.to_string()))
    }
}

/// The client of RabbitMQ logs messages that come back with all that is in them, and that may be personal. Who needs it asks
/// for it: `info,lapin=warn`.
const SILENT: &str = "lapin=off";

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
