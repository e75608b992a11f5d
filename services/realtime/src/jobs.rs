//! What realtime does later, and at set times.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_events::{Done, Job, JobError, JobHandler, Schedule, TxExt as _, Work};
use stoa_kernel::Owner;

use crate::{ctx::Ctx, ops};

/// Deadline of a job that goes through a whole table.
const LONG: Duration = Duration::from_secs(600);

/// Deletes the history of a closed channel, and what the person has published elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "realtime.erase_channel")]
pub(crate) struct EraseChannel {
    pub(crate) owner: Owner,
}

/// Deletes what is kept no longer.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "realtime.purge")]
pub(crate) struct Purge {}

pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    vec![
        JobHandler::new(erase_channel),
        JobHandler::with(ctx, purge).deadline(LONG),
    ]
}

pub(crate) fn schedules() -> Vec<Schedule> {
    vec![Schedule::new("realtime.purge", "*/10 * * * *", Purge {})]
}

async fn erase_channel(work: Work<EraseChannel>) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    if ops::erasure::erase_some(&mut tx, work.payload().owner).await? {
        tx.enqueue(work.payload()).await?;
    }
    work.commit(tx).await
}

async fn purge(ctx: Ctx, work: Work<Purge>) -> Result<Done, JobError> {
    ops::purge::purge(&ctx).await?;
    work.done().await
}
