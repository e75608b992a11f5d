//! What can be done, one use case a file: called by http, jobs and subscriptions alike.

pub(crate) mod activity;
pub(crate) mod avatar;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod fold;
pub(crate) mod names;
pub(crate) mod people;
pub(crate) mod preferences;
pub(crate) mod profile;
pub(crate) mod registration;
