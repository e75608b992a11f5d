//! Deleting what is kept no longer.

use std::time::Duration;

use stoa_kernel::{Timestamp, UserId};
use tokio::time::Instant;

use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        deliveries, digests,
        inbox::{self, ItemId},
        links, notifications, people, phones, provider_events, push, suppressions,
    },
};

/// Rows of one transaction.
const BATCH: u32 = 200;
/// How long one job goes on.
const AT_MOST: Duration = Duration::from_secs(20);

/// Deletes it in batches; true if there is more than could be done now.
pub(crate) async fn purge(ctx: &Ctx) -> Result<bool, Error> {
    let now = ctx.db.steady_now().await;
    let before = |keep: Duration| {
        let keep = jiff::SignedDuration::try_from(keep).unwrap_or(jiff::SignedDuration::MAX);
        now.checked_sub(keep).unwrap_or(Timestamp::MIN)
    };
    let suppressed = before(ctx.config.suppressions_keep.0);
    let (history, items) = (before(ctx.config.history_keep.0), before(ctx.config.inbox_keep.0));
    let deadline = Instant::now() + AT_MOST;
    while Instant::now() < deadline {
        let most = [
            deliveries_before(ctx, history).await?,
            notifications_before(ctx, history).await?,
            items_before(ctx, items).await?,
            others_before(ctx, history, now).await?,
            suppressions_before(ctx, suppressed).await?,
        ];
        if !most.contains(&true) {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn deliveries_before(ctx: &Ctx, time: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let old = deliveries::before(&mut tx, time, BATCH).await?;
    deliveries::delete(&mut tx, &old).await?;
    tx.commit().await?;
    Ok(old.len() == BATCH as usize)
}

async fn notifications_before(ctx: &Ctx, time: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let deleted = notifications::delete_before(&mut tx, time, BATCH).await?;
    tx.commit().await?;
    Ok(deleted == u64::from(BATCH))
}

async fn others_before(ctx: &Ctx, time: Timestamp, now: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let deleted = [
        digests::delete_before(&mut tx, time, BATCH).await?,
        links::delete_before(&mut tx, time, BATCH).await?,
        phones::delete_expired(&mut tx, now, BATCH).await?,
        push::delete_ended(&mut tx, now, BATCH).await?,
        provider_events::delete_before(&mut tx, time, BATCH).await?,
    ];
    tx.commit().await?;
    Ok(deleted.contains(&u64::from(BATCH)))
}

async fn suppressions_before(ctx: &Ctx, time: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let deleted = suppressions::delete_before(&mut tx, time, BATCH).await?;
    tx.commit().await?;
    Ok(deleted == u64::from(BATCH))
}

/// Under the lock of whose they are, in the order in which people are locked.
async fn items_before(ctx: &Ctx, time: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let mut old: Vec<(UserId, ItemId)> = inbox::before(&mut tx, time, BATCH).await?;
    old.sort_unstable();
    let mut locked = None;
    for (user, item) in &old {
        if locked != Some(*user) {
            people::lock(&mut tx, *user).await?;
            locked = Some(*user);
        }
        if let Some(gone) = inbox::delete(&mut tx, *user, *item).await? {
            people::count(&mut tx, *user, -1, -i64::from(gone.counts())).await?;
        }
    }
    tx.commit().await?;
    Ok(old.len() == BATCH as usize)
}
