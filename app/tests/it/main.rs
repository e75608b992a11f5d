//! The whole system, through its public surfaces.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "these are tests"
)]

mod architecture;
mod audit;
mod checks;
mod cli;
mod crash;
mod erasure;
mod jobs;
mod looking;
mod metrics;
mod moving;
mod openapi;
mod operations;
mod postgres;
mod provision;
mod refusals;
mod rpc;
mod schemas;
mod stoa;
mod system;
mod texts;
mod tls;
