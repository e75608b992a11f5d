//! Against servers on this machine, with resolvers that answer as an attacker's would.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod answers;
mod rebinding;
mod server;
mod tls;
