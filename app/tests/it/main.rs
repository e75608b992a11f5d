//! The whole system, through its public surfaces.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "these are tests"
)]

mod architecture;
mod cli;
mod crash;
mod journey;
mod openapi;
mod postgres;
mod provision;
mod routes;
mod rpc;
mod stoa;
mod tls;
