//! The only place with SQL; one aggregate a file.

pub(crate) mod activity;
pub(crate) mod erased;
pub(crate) mod preferences;
pub(crate) mod profiles;
pub(crate) mod search;
