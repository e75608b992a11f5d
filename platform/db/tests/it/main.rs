//! The data layer on both engines.

#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod child;
mod clock;
mod connections;
mod disk;
mod erasure;
mod groups;
mod lists;
mod migrations;
mod opening;
mod outages;
mod plans;
mod pooler;
mod replicas;
mod tls;
mod transactions;
mod transfers;
mod values;
