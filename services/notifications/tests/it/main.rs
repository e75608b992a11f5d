//! What notifications promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod callbacks;
mod details;
mod erasure;
mod helpers;
mod history;
mod inbox;
mod live;
mod phone;
mod plans;
mod preferences;
mod purge;
mod push;
mod sending;
mod sms;
mod smtp;
mod suppressions;
mod templates;
mod timing;
mod topics;
mod unsubscribe;
mod welcome;
