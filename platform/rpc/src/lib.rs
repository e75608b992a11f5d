//! gRPC between services: one client type over an in-process or a remote server.
//!
//! A [`Directory`] knows which service is reached how. A generated client is made over one of its [`Channel`]s and does
//! not know whether the service runs in this process: calls are encoded, limited in time and answered alike.
//!
//! A service elsewhere may have several replicas. Calls take turns among those that are connected; a call that no replica
//! has taken is sent to another. [`RpcConfig`] is what settings say of it all.

mod call;
mod channel;
mod config;
pub mod deadline;
mod directory;
mod listener;
mod look;
mod remote;
mod routes;
pub mod trace;

pub use channel::Channel;
pub use config::{RpcConfig, RpcTlsConfig};
pub use directory::{Directory, RpcError, RpcOptions, Server};
pub use look::look;
