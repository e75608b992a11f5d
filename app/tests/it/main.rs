//! The whole system, through its public surfaces.

mod architecture;
mod cli;
mod crash;
mod journey;
mod openapi;
mod routes;
mod stoa;
