//! Requests that are passed on, by what a caller and a replica see.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod callers;
mod forwarding;
mod grpc;
mod peers;
mod replicas;
mod smuggling;
mod sockets;
mod split;
#[allow(dead_code, reason = "the tests of the edge need all of it")]
#[path = "../../../../platform/edge/tests/it/story.rs"]
mod story;
mod told;
mod trouble;
mod uploads;
