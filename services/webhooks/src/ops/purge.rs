//! Deleting what is older than it is kept.

use stoa_kernel::{Id, Timestamp};

use super::{BATCH, BATCHES};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{attempts, deliveries, messages, secrets},
};

/// Messages that one transaction deletes, each with its deliveries.
const MESSAGES: u32 = 50;

/// Deletes attempts and messages older than `keep`, and secrets that have expired, in batches; true if there is more than could be done now.
pub(crate) async fn purge(ctx: &Ctx) -> Result<bool, Error> {
    let now = ctx.db.steady_now().await;
    let Ok(before) = now.checked_sub(ctx.config.keep.0) else {
        return Ok(false);
    };
    for _ in 0..BATCHES {
        let more = [
            attempts_before(ctx, before, now).await?,
            messages_before(ctx, before).await?,
        ];
        if !more.contains(&true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// And secrets that have expired by now.
async fn attempts_before(ctx: &Ctx, time: Timestamp, now: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let before = Id::at_microsecond(time.as_microsecond());
    let attempts = attempts::delete_before(&mut tx, before, BATCH).await?;
    let secrets = secrets::delete_expired(&mut tx, now, BATCH).await?;
    tx.commit().await?;
    Ok(attempts.max(secrets) == u64::from(BATCH))
}

async fn messages_before(ctx: &Ctx, time: Timestamp) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let before = Id::at_microsecond(time.as_microsecond());
    let old = messages::older_than(&mut tx, before, MESSAGES).await?;
    for id in &old {
        deliveries::delete_of_message(&mut tx, *id).await?;
        messages::delete(&mut tx, *id).await?;
    }
    tx.commit().await?;
    Ok(old.len() == MESSAGES as usize)
}
