//! All settings in one place, layered: defaults, then a file, then the environment, then the command line.
//!
//! The text of the defaults is the schema: what it does not name is refused, with the nearest name that it does, and
//! what has another type than its default is refused as well. Each service reads its own section into a type of its own. What the
//! engines under them are set to, a service may set for itself alone: `[auth.database]` over `[database]`.

mod env;
mod error;
mod names;
mod print;
mod schema;
mod settings;
mod value;

pub use error::ConfigError;
pub use schema::Schema;
pub use settings::{Settings, Source};
