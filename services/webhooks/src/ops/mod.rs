//! What can be done, one use case a file: called by http, jobs and subscriptions alike.

pub(crate) mod body;
pub(crate) mod deliver;
pub(crate) mod disable;
pub(crate) mod dispatch;
pub(crate) mod endpoints;
pub(crate) mod erasure;
pub(crate) mod keys;
pub(crate) mod lanes;
pub(crate) mod purge;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod test_message;

/// Rows that one transaction deletes at most.
const BATCH: u32 = 500;
/// Transactions of that kind that one attempt of a job makes. Where there is more to do, it is made again.
const BATCHES: u32 = 10;

/// What brought a message on its way.
pub(crate) mod cause {
    pub(crate) const EVENT: &str = "event";
    pub(crate) const TEST: &str = "test";
    pub(crate) const RETRY: &str = "retry";
    pub(crate) const REPLAY: &str = "replay";
}
