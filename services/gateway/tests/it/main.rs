//! The edge, its pages and its server, each by what a caller sees.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod body;
mod browser;
mod callers;
mod edge;
mod errors;
mod forwarding;
mod grpc;
mod heads;
mod limits;
mod log;
mod measured;
mod pages;
mod peers;
mod replicas;
mod server;
mod smuggling;
mod sockets;
mod split;
mod story;
mod tls;
mod told;
mod trouble;
mod uploads;
mod who;
