//! What can be done, one use case a file: called by http, jobs and subscriptions alike.

pub(crate) mod access_keys;
pub(crate) mod buckets;
pub(crate) mod conditions;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod erasure;
pub(crate) mod get;
pub(crate) mod intake;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod list_versions;
pub(crate) mod operations;
pub(crate) mod pending;
pub(crate) mod place;
pub(crate) mod purge;
pub(crate) mod put;
pub(crate) mod reach;
pub(crate) mod reading;
pub(crate) mod remove;
pub(crate) mod renditions;
pub(crate) mod restore;
pub(crate) mod revocations;
pub(crate) mod sweep;
pub(crate) mod uploads;
pub(crate) mod verify;

/// Rows that one transaction deletes at most.
const BATCH: u32 = 200;
/// Why something was ended, in its audit entry.
const REVOKED: &str = "credentials_revoked";
