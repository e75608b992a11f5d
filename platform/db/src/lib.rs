//! One SQL text on two engines: SQLite with grouped, durable commits, and PostgreSQL.
//!
//! `$1` parameters, `RETURNING`, `ON CONFLICT` and CTEs work alike on both. A UUID is sixteen bytes and a time whole
//! microseconds on both; ids and times are made in Rust.

extern crate self as stoa_db;

mod config;
mod db;
mod error;
mod facts;
mod list;
mod migration;
mod parameters;
mod postgres;
pub mod provision;
pub mod reads;
mod row;
mod settle;
mod sqlite;
pub mod testing;
pub mod transfer;
mod tx;
mod value;
mod waits;

/// What its metrics tell.
pub const METRICS: &[(&str, &str)] = &[(
    "stoa_db_pool_wait_seconds",
    "Time that transactions waited for a connection or their turn.",
)];

pub use config::DatabaseConfig;
pub use db::{Db, DbOptions, Engine};
pub use error::Error;
pub use facts::Facts;
pub use list::{Direction, List, OrderedText, Position, containing};
pub use migration::{Migration, MigrationReport};
pub use row::{FromRow, Row};
pub use settle::settled;
pub use stoa_db_macros::{FromRow, db_test, migrations};
pub use tx::Tx;
pub use value::{FromValue, Json, ToValue, ValueRef};
