//! What can be done, one use case a file: called by http, jobs and subscriptions alike.

pub(crate) mod erasure;
pub(crate) mod items;
pub(crate) mod purge;

/// Rows that one transaction deletes at most.
const BATCH: u32 = 500;
