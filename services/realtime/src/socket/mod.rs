//! Clients by WebSocket.

mod drive;
mod upgrade;

pub(crate) use self::{drive::drive, upgrade::Upgrade};
