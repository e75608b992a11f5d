//! The edge, its pages and its server, each by what a caller sees.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod body;
mod browser;
mod edge;
mod errors;
mod heads;
mod limits;
mod log;
mod measured;
mod pages;
mod server;
mod story;
mod tls;
mod who;
