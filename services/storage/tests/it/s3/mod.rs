//! The buckets by S3.

mod access;
mod bodies;
pub(crate) mod client;
mod keys;
mod multipart;
mod objects;
mod presigned;
mod refusals;
mod unicode;
mod versions;
