//! Section `[realtime]` of the settings.

use serde::{Deserialize, Serialize};
use stoa_events::ChannelPublished;
use stoa_kernel::{Period, Rate};

/// What can be set; the defaults stand in `defaults.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealtimeConfig {
    /// Connections at once in this process.
    pub connections: usize,
    /// Of one address.
    pub connections_per_address: usize,
    /// Of one user.
    pub connections_per_user: usize,
    /// Channels that one connection may follow.
    pub subscriptions_per_connection: usize,
    /// Commands of one connection.
    pub commands_per_connection: Rate,
    /// Messages that one user may publish.
    pub publishes_per_user: Rate,
    /// Tickets that one user may get.
    pub tickets_per_user: Rate,
    /// How long a ticket can be used.
    pub ticket_lifetime: Period,
    /// Largest command, in bytes.
    pub command_max_bytes: usize,
    /// Most that may wait for one client, in bytes.
    pub queue_max_bytes: usize,
    /// How long a client may take to read.
    pub write_timeout: Period,
    /// How long a new connection may take to say who it is.
    pub connect_timeout: Period,
    /// How often each connection is asked for a sign of life.
    pub heartbeat: Period,
    /// Messages that a client is sent after the fact, at most.
    pub recover_max: u32,
    /// How long somebody who has left a channel counts as there.
    pub presence_grace: Period,
    /// How long a process may be silent before those who are there by it count as gone.
    pub presence_lease: Period,
    /// Over how long clients are spread when they are told to come back.
    pub reconnect_spread: Period,
    /// How often grants are asked for anew.
    pub grants_recheck: Period,
}

impl RealtimeConfig {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), String> {
        let least = 2 * ChannelPublished::MAX_DATA_BYTES;
        if self.queue_max_bytes < least {
            return Err(format!(
                "realtime.queue_max_bytes is {}: one message may have {} bytes, so that at least {least} are needed",
                self.queue_max_bytes,
                ChannelPublished::MAX_DATA_BYTES
            ));
        }
        Ok(())
    }
}
