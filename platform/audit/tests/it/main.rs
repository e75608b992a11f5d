//! The audit log on both engines.

#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, missing_docs, reason = "these are tests")]

mod listing;
mod log;
mod plans;
mod sealing;
mod signing;
mod tampering;
