//! Bytes by key, kept in a folder or in a bucket of a server that speaks S3.

mod config;
mod error;
mod file;
mod key;
mod objects;
mod s3;
mod upload;

pub use config::ObjectsConfig;
pub use error::ObjectError;
pub use objects::{ObjectInfo, Objects};
