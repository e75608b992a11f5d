//! What channels that send through providers share, such as mail, SMS and push: providers in order, with caps and circuit breakers,
//! how sending ends, and folders for trying things out, with pages over them.

pub mod api;
mod breaker;
mod breakers;
mod caps;
mod chain;
mod dev;
mod folder;
mod outcome;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod time;
mod transport;

/// What its metrics tell.
pub const METRICS: &[(&str, &str)] = &[(
    "stoa_provider_messages_total",
    "Attempts to send a message through a provider, by how they ended: sent, refused (the recipient), failed (for good), again (later).",
)];

pub use breakers::Breakers;
pub use caps::Caps;
pub use chain::{Chain, Entry, Provider};
pub use dev::{DevPages, Shown};
pub use folder::{Folder, Record, Stored, is_id};
pub use outcome::{Cause, Receipt, SendError};
pub use text::{moment, with_links};
pub use transport::Transport;
