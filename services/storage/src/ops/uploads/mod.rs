//! Uploads in parts: begun, filled by as many requests as it takes, and completed or given up. tus and the multipart uploads of S3 are
//! made of this.

pub(crate) mod append;
pub(crate) mod begin;
pub(crate) mod complete;
pub(crate) mod digests;
pub(crate) mod discard;
pub(crate) mod join;
pub(crate) mod merge;
pub(crate) mod part;
pub(crate) mod source;
pub(crate) mod turn;

/// The protocol of uploads to which one request appends after the other.
pub(crate) const TUS: &str = "tus";
