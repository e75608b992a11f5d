//! What users does later, and at set times.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_events::{Done, Job, JobError, JobHandler, Schedule, TxExt as _, Work};
use stoa_kernel::UserId;

use crate::{ctx::Ctx, ops};

/// Deadline of jobs that go through whole tables or folders.
const LONG: Duration = Duration::from_secs(600);

/// Deletes the bytes of an avatar that no profile names any more.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "users.remove_avatar")]
pub(crate) struct RemoveAvatar {
    pub(crate) user_id: UserId,
    pub(crate) file: String,
}

/// Deletes what an erasure's transaction cannot: the stored bytes.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "users.forget_objects")]
pub(crate) struct ForgetObjects {
    pub(crate) user_id: UserId,
}

/// Deletes avatars that were stored for a change that never was committed.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "users.sweep_avatars")]
pub(crate) struct SweepAvatars {}

/// Deletes activity older than it is kept, and what an erased person left.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "users.purge_activity")]
pub(crate) struct PurgeActivity {}

/// Folds names that were written before names were folded to be searched in.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(name = "users.fold_names")]
pub(crate) struct FoldNames {}

pub(crate) fn handlers(ctx: &Ctx) -> Vec<JobHandler> {
    vec![
        JobHandler::with(ctx, remove_avatar),
        JobHandler::with(ctx, forget_objects).deadline(LONG),
        JobHandler::with(ctx, sweep_avatars).deadline(LONG),
        JobHandler::with(ctx, purge_activity).deadline(LONG),
        JobHandler::with(ctx, fold_names).deadline(LONG),
    ]
}

/// Sweeping is hourly, so that nothing of an erased person lies about for long.
pub(crate) fn schedules() -> Vec<Schedule> {
    vec![
        Schedule::new("users.sweep_avatars", "17 * * * *", SweepAvatars {}),
        Schedule::new("users.purge_activity", "41 3 * * *", PurgeActivity {}),
    ]
}

async fn remove_avatar(ctx: Ctx, work: Work<RemoveAvatar>) -> Result<Done, JobError> {
    let RemoveAvatar { user_id, file } = work.payload();
    ctx.avatars.remove(*user_id, file).await?;
    work.done().await
}

async fn forget_objects(ctx: Ctx, work: Work<ForgetObjects>) -> Result<Done, JobError> {
    ctx.avatars.remove_all(work.payload().user_id).await?;
    work.done().await
}

async fn sweep_avatars(ctx: Ctx, work: Work<SweepAvatars>) -> Result<Done, JobError> {
    ctx.avatars.sweep(&ctx.db).await?;
    work.done().await
}

async fn fold_names(ctx: Ctx, work: Work<FoldNames>) -> Result<Done, JobError> {
    if ops::fold::fold(&ctx).await? {
        return work.done().await;
    }
    let mut tx = work.begin().await?;
    tx.enqueue(work.payload()).await?;
    work.commit(tx).await
}

async fn purge_activity(ctx: Ctx, work: Work<PurgeActivity>) -> Result<Done, JobError> {
    ops::activity::purge(&ctx).await?;
    work.done().await
}
