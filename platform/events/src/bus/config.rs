//! The section `[bus]` of the settings.

use std::{fmt, time::Duration};

use serde::Deserialize;
use stoa_kernel::Period;

use url::Url;

use super::BusError;

const EXAMPLES: &str = "write nats://user:password@host:4222, tls://host:4222, amqp://user:password@host:5672/vhost, or leave it empty";

/// Which bus, and what it keeps.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// `nats://user:password@host:port`, `tls://…` (NATS over TLS), `amqp://user:password@host:port/vhost`, `amqps://…`. Empty: events
    /// stay in the process.
    pub url: String,
    /// Put before the names of streams, exchanges and queues, so that several installations can share a broker. Of `a-z`, `0-9`, `-`
    /// and `_`; may be empty.
    pub prefix: String,
    /// NATS: copies of the stream in a cluster, 1, 3 or 5. A RabbitMQ cluster spreads its queues by itself.
    pub replicas: u8,
    /// NATS: how long the stream keeps events. A subscriber that is away for longer misses some. No longer than `events.keep_done`,
    /// which is how long a subscriber knows an event again.
    pub max_age: Period,
    /// NATS: most that the stream takes up, in MiB; then the oldest events go. 0: as much as the server allows.
    pub max_mib: u64,
}

impl Default for BusConfig {
    /// The bus inside the process; seven days and one copy, were it NATS.
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: String::new(),
            replicas: 1,
            max_age: Period(Duration::from_secs(7 * 24 * 3600)),
            max_mib: 0,
        }
    }
}

impl BusConfig {
    /// The defaults with this address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    /// Refuses what no broker could be asked for, without asking it.
    ///
    /// # Errors
    /// [`BusError::Url`] or [`BusError::Config`].
    pub fn check(&self) -> Result<(), BusError> {
        self.address()?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if !self.prefix.chars().all(plain) {
            return Err(BusError::Config(
                "bus.prefix is of a-z, 0-9, - and _ alone, such as \"staging\"".to_owned(),
            ));
        }
        if !matches!(self.replicas, 1 | 3 | 5) {
            return Err(BusError::Config("bus.replicas is 1, 3 or 5".to_owned()));
        }
        if self.max_age.0 < Duration::from_secs(60) {
            return Err(BusError::Config("bus.max_age is at least \"1m\"".to_owned()));
        }
        Ok(())
    }
}

impl BusConfig {
    /// Where the broker is; none for the bus inside the process.
    pub(super) fn address(&self) -> Result<Option<Url>, BusError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        let wrong = |why: String| BusError::Url(format!("{why}; {EXAMPLES}"));
        let url = Url::parse(&self.url).map_err(|e| wrong(format!("not an address: {e}")))?;
        match url.scheme() {
            "nats" | "tls" => {}
            "amqp" | "amqps" => {
                let parsed: Result<lapin::uri::AMQPUri, String> = self.url.parse();
                parsed.map_err(wrong)?;
            }
            other => return Err(wrong(format!("{other}:// is no bus"))),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("it names no host".to_owned()));
        }
        Ok(Some(url))
    }

    /// Whether the broker keeps events for `max_age`.
    #[must_use]
    pub fn is_nats(&self) -> bool {
        self.url.starts_with("nats:") || self.url.starts_with("tls:")
    }
}

impl fmt::Debug for BusConfig {
    /// Without the address: a password may stand in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusConfig")
            .field("prefix", &self.prefix)
            .field("replicas", &self.replicas)
            .field("max_age", &self.max_age)
            .field("max_mib", &self.max_mib)
            .finish_non_exhaustive()
    }
}
