//! Everything that is in one database, put into another: from either engine to either engine.
//!
//! Both must have been brought up by the same migrations. Tables are copied parents first, in chunks by primary key, each chunk
//! in one transaction with the note of how far it has come: so a copy that is broken off, even by a kill, goes on where it was.
//! In the end both are read again and summed up, in a form that does not depend on the engine.

mod catalogue;
mod cell;
mod copy;
mod progress;
mod rows;
mod sum;

pub use catalogue::{Column, Kind, Table, tables};
pub use copy::{Copied, copy};
pub use progress::{begin, finish, unfinished};
pub use sum::{Sum, sum};

/// Tables that are about a database, not in it: which migrations it has, and how far a transfer has come.
fn is_own(table: &str) -> bool {
    ["_migrations", progress::TABLE].contains(&table)
}
