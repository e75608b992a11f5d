//! What __name__ promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod items;
