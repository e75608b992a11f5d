//! The tables, one aggregate a file.

pub(crate) mod channels;
pub(crate) mod messages;
pub(crate) mod presence;
pub(crate) mod tickets;
