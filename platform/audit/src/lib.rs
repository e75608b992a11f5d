//! An append-only log, written in the transaction it tells of, and sealed into a hash chain right after.
//!
//! [`TxExt::audit`] inserts an entry without a hash into the business transaction. A [`Sealer`] beside each service gives
//! the entries that have none, in order of id, a sequence number and a hash over the entry and the hash before it, a batch
//! in a transaction. So no request waits for another's hash. [`verify`] recomputes them all.
//!
//! The end of the chain, its head, is signed with a key that is not in the database ([`AuditKey`]), and kept outside of it
//! ([`HeadRecord`]). Before anything is sealed the head's signature is looked at, so that a forged one is never signed.
//!
//! What this shows, without the key in the attacker's hands: an entry that was changed, removed, moved or put in after it was
//! sealed, a log that was cut off, and one that was computed anew as a whole. What it cannot show: changes made before an entry
//! was sealed, a fraction of a second after its commit; and, against somebody who has kept an old state of the tables, a log
//! that was put back to that state, unless a newer head is kept where they cannot write. Who has the key can forge everything
//! that no such head tells of.

mod chain;
mod entry;
mod guard;
mod key;
mod list;
mod measured;
mod record;
mod sealer;
mod settings;
mod store;
mod suspension;
mod trim;
mod verify;

pub use entry::{Entry, EntryTag, TxExt};
pub use guard::{anchor, check_head, check_key};
pub use key::AuditKey;
pub use list::{Filter, Record, list, page};
pub use record::{HeadFile, HeadRecord, read_records};
pub use sealer::Sealer;
pub use settings::{Keeper, Sealing};
pub use suspension::Suspension;
pub use verify::{Against, BrokenAt, Verification, verify};

use stoa_db::Migration;

/// What its metrics tell.
pub const METRICS: &[(&str, &str)] = &[
    (
        "stoa_audit_unsealed",
        "Audit entries that are not in the hash chain yet, counted up to 100000.",
    ),
    (
        "stoa_audit_unsealed_age_seconds",
        "Age of the oldest audit entry that is not in the hash chain yet.",
    ),
    (
        "stoa_audit_suspended",
        "1 while nothing is sealed because the audit log was tampered with.",
    ),
];

/// The tables of this crate, applied to each service's database as the set "audit".
pub const MIGRATIONS: &[Migration] = stoa_db::migrations!();
