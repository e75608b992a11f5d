//! Bytes by key, kept in a folder. Other stores fit behind the same handle.

mod error;
mod key;
mod objects;

pub use error::ObjectError;
pub use objects::{ObjectInfo, Objects};
