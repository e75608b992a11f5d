//! The only place with SQL; one aggregate a file.

pub(crate) mod deliveries;
pub(crate) mod digests;
pub(crate) mod followers;
pub(crate) mod inbox;
pub(crate) mod links;
pub(crate) mod notifications;
pub(crate) mod people;
pub(crate) mod phones;
pub(crate) mod preferences;
pub(crate) mod provider_events;
pub(crate) mod push;
pub(crate) mod sends;
pub(crate) mod steps;
pub(crate) mod suppressions;
pub(crate) mod templates;
