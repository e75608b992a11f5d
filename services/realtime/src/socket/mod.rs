//! Clients by WebSocket.

mod drive;
mod echo;
mod upgrade;

pub use self::echo::echo;
pub(crate) use self::{drive::drive, upgrade::Upgrade};
