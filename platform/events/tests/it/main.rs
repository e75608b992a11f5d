//! Events and jobs, on both engines and through crashes.

#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod backlog;
mod bus_conformance;
mod channels;
mod clocks;
mod console;
mod crashes;
mod dead_processes;
mod delivery;
mod failures;
mod limits;
mod many;
mod one_at_a_time;
mod one_key;
mod order;
mod pair;
mod plans;
mod restart;
mod schedules;
mod silent;
