//! What __name__ does later, and at set times.

use serde::{Deserialize, Serialize};
use stoa_events::{Done, Job, JobError, JobHandler, Schedule, Work};

use crate::{ctx::Ctx, ops};

/// Deletes items older than they are kept.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "__name__.purge_items")]
pub(crate) struct PurgeItems {}

pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    vec![JobHandler::with(ctx, purge_items)]
}

pub(crate) fn schedules() -> Vec<Schedule> {
    vec![Schedule::new("__name__.purge_items", "23 * * * *", PurgeItems {})]
}

async fn purge_items(ctx: Ctx, work: Work<PurgeItems>) -> Result<Done, JobError> {
    ops::purge::purge(&ctx).await?;
    work.done().await
}
