//! What can be done, one use case a file: called by http, jobs and subscriptions alike.

pub(crate) mod items;
