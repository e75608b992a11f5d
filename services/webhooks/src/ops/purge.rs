//! Deleting what is older than it is kept.

use stoa_kernel::Id;

use super::BATCH;
use crate::{
    ctx::Ctx,
    error::Error,
    store::{attempts, deliveries, messages, secrets},
};

/// Messages that one transaction deletes, each with its deliveries.
const MESSAGES: u32 = 50;

/// Deletes attempts and messages older than `keep`, and secrets that have expired, a batch in a transaction.
pub(crate) async fn purge(ctx: &Ctx) -> Result<(), Error> {
    let now = ctx.db.steady_now().await;
    let Ok(before) = now.checked_sub(ctx.config.keep.0) else {
        return Ok(());
    };
    let before = before.as_microsecond();
    loop {
        let mut tx = ctx.db.begin().await?;
        let attempts = attempts::delete_before(&mut tx, Id::at_microsecond(before), BATCH).await?;
        let secrets = secrets::delete_expired(&mut tx, now, BATCH).await?;
        tx.commit().await?;
        if attempts.max(secrets) < u64::from(BATCH) {
            break;
        }
    }
    loop {
        let mut tx = ctx.db.begin().await?;
        let old = messages::older_than(&mut tx, Id::at_microsecond(before), MESSAGES).await?;
        for id in &old {
            deliveries::delete_of_message(&mut tx, *id).await?;
            messages::delete(&mut tx, *id).await?;
        }
        tx.commit().await?;
        if old.len() < MESSAGES as usize {
            return Ok(());
        }
    }
}
