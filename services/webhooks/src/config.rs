//! Section `[webhooks]` of the settings.

use serde::{Deserialize, Serialize};
use stoa_kernel::{Period, Rate};

/// What can be set; the defaults stand in `defaults.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Endpoints that one owner may have.
    pub endpoints_max: u32,
    /// The largest body that is sent, in bytes.
    pub payload_max_bytes: usize,
    /// How long one attempt may take.
    pub timeout: Period,
    /// For how long every attempt must have failed for an endpoint to be disabled.
    pub disable_after: Period,
    /// How long both secrets sign after a rotation.
    pub rotation_overlap: Period,
    /// How long messages and attempts are kept.
    pub keep: Period,
    /// Messages that one replay sends at most.
    pub replay_max: u32,
    /// How often one owner may start test messages, retries, replays and rotations.
    pub tries_per_owner: Rate,
}
