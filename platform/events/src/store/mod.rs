//! The SQL of outbox and jobs.
//!
//! A job is `ready` (may run now), `waiting` (for its time, or `behind` another of its key), `running` (held by a worker), `suspect` (held by processes that
//! died, to be run alone), `done` or `dead`.

mod behind;
mod claim;
mod finish;
mod held;
mod insert;
mod outbox;

use stoa_db::FromRow;
use stoa_kernel::Timestamp;

use crate::EventId;

pub(crate) use behind::{Key, keys_behind, put_back, put_behind};
pub use claim::{Share, claim};
pub(crate) use claim::{
    claim_suspect, due_queues, find, idle, plan_by_index, promote, recall_far_retries, suspects, unfinished,
    waiting,
};
pub(crate) use finish::{Outcome, fail, finish, postpone};
pub use held::release_all;
pub(crate) use held::{Holding, release, release_lost, release_worker, renew, running};
pub(crate) use insert::{NewJob, insert_dead, insert_jobs};
pub(crate) use outbox::{NewEvent, delete_outbox, insert_outbox, read_outbox};

/// An event on its way out.
#[derive(Clone, Debug, FromRow)]
pub struct OutboxRow {
    pub(crate) id: EventId,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) data: String,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<String>,
}

/// A job that a worker holds until its lease is over.
#[derive(Clone, Debug, FromRow)]
pub struct Claimed {
    pub(crate) queue: String,
    pub(crate) id: EventId,
    pub(crate) key: Option<String>,
    pub(crate) priority: i16,
    pub(crate) payload: String,
    pub(crate) source: String,
    pub(crate) time: Timestamp,
    pub(crate) traceparent: Option<String>,
    /// Attempts that failed before this one.
    pub(crate) attempts: u32,
    /// How often it was claimed, this time included: tells two claims of one worker apart.
    pub(crate) claims: i64,
    /// Processes that died while they held it, since its last attempt that ended.
    pub(crate) crashes: u32,
}

fn placeholders(first: usize, count: usize) -> String {
    let numbers: Vec<_> = (first..first + count)
        .map(|number| format!("${number}"))
        .collect();
    numbers.join(", ")
}
