//! The only place with SQL; one aggregate a file.

pub(crate) mod blobs;
pub(crate) mod buckets;
pub(crate) mod owners;
pub(crate) mod pending;
pub(crate) mod versions;
