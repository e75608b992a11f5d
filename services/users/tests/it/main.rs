//! What users promises, on both databases.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod activity;
mod avatar;
mod avatar_files;
mod avatar_quality;
mod bombs;
mod erasure;
mod export;
mod helpers;
mod keys;
mod listing;
mod pictures;
mod plans;
mod preferences;
mod profile;
mod reading;
mod registration;
mod uploads;
