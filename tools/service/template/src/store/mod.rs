//! The only place with SQL; one aggregate a file.

pub(crate) mod items;
pub(crate) mod owners;
