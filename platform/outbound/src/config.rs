//! Section `[outbound]`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use stoa_kernel::Period;

use crate::{OutboundError, address::Networks, tls};

/// What may be called, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundConfig {
    /// Networks that may be called although they are not of the public internet, such as `10.0.0.0/8`.
    pub allow: Vec<String>,
    /// Networks that may not be called although they are.
    pub deny: Vec<String>,
    /// The ports that may be called. None: all but those that browsers refuse.
    pub ports: Vec<u16>,
    /// Whether `http://` is refused.
    pub https_only: bool,
    /// A file with authorities whose certificates are accepted besides the well-known ones, PEM. Empty: none.
    pub ca: PathBuf,
    /// How long resolving a name and connecting may take together.
    pub connect_timeout: Period,
    /// Requests that are under way at once; others wait.
    pub concurrency: usize,
}

impl Default for OutboundConfig {
    /// As when nobody sets anything.
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            deny: Vec::new(),
            ports: Vec::new(),
            https_only: false,
            ca: PathBuf::new(),
            connect_timeout: Period(Duration::from_secs(10)),
            concurrency: 256,
        }
    }
}

impl OutboundConfig {
    /// Whether it can be used, without asking anybody.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), OutboundError> {
        self.networks()?;
        tls::config(&self.ca).map(drop)
    }

    pub(crate) fn networks(&self) -> Result<Networks, OutboundError> {
        Ok(Networks {
            allow: networks("outbound.allow", &self.allow)?,
            deny: networks("outbound.deny", &self.deny)?,
        })
    }
}

fn networks(key: &str, texts: &[String]) -> Result<Vec<IpNet>, OutboundError> {
    let network = |text: &String| {
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        parsed.map_err(|_| {
            OutboundError::Settings(format!(
                "{key} has '{text}', which is no network such as 10.0.0.0/8"
            ))
        })
    };
    texts.iter().map(network).collect()
}
