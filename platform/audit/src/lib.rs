//! An append-only log, written in the transaction it tells of, and sealed into a hash chain right after.
//!
//! [`TxExt::audit`] inserts an entry without a hash into the business transaction. A [`Sealer`] beside each service gives
//! the entries that have none, in order of id, a sequence number and a hash over the entry and the hash before it, a batch
//! in a transaction. So no request waits for another's hash. [`verify`] recomputes them all.
//!
//! What the chain shows: a sealed entry that was changed, removed, moved or put in, and a log whose end was cut off while
//! its head was left. What it cannot show: changes made before an entry was sealed, and a chain computed anew from some
//! point on together with its head. Against the latter keep the head that [`verify`] returns somewhere else.

mod chain;
mod entry;
mod list;
mod sealer;
mod store;
mod verify;

pub use entry::{Entry, EntryTag, TxExt};
pub use list::{Filter, Record, list};
pub use sealer::Sealer;
pub use verify::{BrokenAt, Verification, verify};

use stoa_db::Migration;

/// The tables of this crate, applied to each service's database as the set "audit".
pub const MIGRATIONS: &[Migration] = stoa_db::migrations!["0001_create_audit"];
