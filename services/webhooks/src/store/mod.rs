//! The only place with SQL; one aggregate a file.

pub(crate) mod attempts;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod messages;
pub(crate) mod owners;
pub(crate) mod replays;
pub(crate) mod secrets;
