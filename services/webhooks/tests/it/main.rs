//! What webhooks promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod delivery;
mod endpoints;
mod failures;
mod helpers;
mod plans;
mod resending;
mod secrets;
mod whose;
