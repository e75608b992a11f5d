//! What storage promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod access;
mod browser;
mod buckets;
mod changes;
mod clocks;
mod conditions;
mod copying;
mod erasure;
mod helpers;
mod leftovers;
mod links;
mod listing;
mod objects;
mod operations;
mod plans;
mod quota;
mod ranges;
mod readings;
mod renditions;
mod revocation;
mod s3;
mod tus;
mod tus_more;
mod verify;
mod versions;
