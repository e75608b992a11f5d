//! What is read again on SIGHUP: certificates, and what is logged.

use std::{io, sync::Arc};

use stoa_config::{ConfigError, Settings};
use stoa_telemetry::{LogLevel, TelemetryConfig};
use stoa_tls::{Certificates, Mutual};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::mount::Error;

/// Takes SIGHUP from the moment that it is made: from then on the signal ends nothing.
pub(crate) struct Hangup(Signal);

/// What can be read again while the process runs.
pub(crate) struct Changeable<F> {
    /// Reads all settings again, as at the start.
    pub(crate) load: F,
    pub(crate) log: LogLevel,
    /// Of the public listener.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Of calls between processes.
    pub(crate) peers: Option<Arc<Mutual>>,
}

impl Hangup {
    pub(crate) fn take() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Reads again at each signal; one that came since [`Hangup::take`] counts.
    pub(crate) fn serve<F>(mut self, changeable: Changeable<F>)
    where
        F: Fn() -> Result<Settings, ConfigError> + Send + Sync + 'static,
    {
        let changeable = Arc::new(changeable);
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                let changeable = Arc::clone(&changeable);
                // Files are read: not on a thread that others need.
                if let Err(error) = tokio::task::spawn_blocking(move || changeable.read_again()).await {
                    tracing::error!(%error, "reading settings again failed");
                }
            }
        });
    }
}

impl<F: Fn() -> Result<Settings, ConfigError>> Changeable<F> {
    fn read_again(&self) {
        match self.log() {
            Ok(log) => tracing::info!(log, "SIGHUP: what is logged was read again"),
            Err(error) => tracing::error!(%error, "SIGHUP: settings cannot be used; those from before hold"),
        }
        if let Some(certificates) = &self.certificates {
            certificates.read_again();
        }
        if let Some(peers) = &self.peers {
            peers.read_again();
        }
    }

    fn log(&self) -> Result<String, Error> {
        let config: TelemetryConfig = (self.load)()?.section("telemetry")?;
        self.log.set(&config)?;
        Ok(config.log)
    }
}
