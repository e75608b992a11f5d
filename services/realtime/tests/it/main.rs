//! What realtime promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod access;
mod autobahn;
mod client;
mod document;
mod drain;
mod erasure;
mod events;
mod helpers;
mod limits;
mod plans;
mod presence;
mod publishing;
mod recovery;
mod revocation;
mod sockets;
mod tickets;
mod transcript;
