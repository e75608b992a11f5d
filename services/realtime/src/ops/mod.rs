//! Use cases, one a file.

pub(crate) mod access;
pub(crate) mod erasure;
pub(crate) mod presence;
pub(crate) mod publish;
pub(crate) mod purge;
pub(crate) mod start;
pub(crate) mod subscribe;
pub(crate) mod tickets;
