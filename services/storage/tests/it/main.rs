//! What storage promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod access;
mod buckets;
mod conditions;
mod erasure;
mod helpers;
mod leftovers;
mod objects;
mod plans;
mod quota;
mod ranges;
mod verify;
