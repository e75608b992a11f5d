//! gRPC between services: one client type over an in-process or a remote server.
//!
//! A [`Directory`] knows which service is reached how. A generated client is made over one of its [`Channel`]s and does
//! not know whether the service runs in this process: calls are encoded, limited in time and answered alike.

mod call;
mod channel;
mod deadline;
mod directory;
mod routes;
pub mod trace;

pub use channel::Channel;
pub use directory::{Directory, RpcError, Server};
