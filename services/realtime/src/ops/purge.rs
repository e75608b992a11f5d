//! What is kept for a time.

use jiff::SignedDuration;

use crate::{ctx::Ctx, error::Error, store};

/// Rows of one transaction.
const BATCH: u32 = 500;
/// A channel without messages is kept for so long, or its next message would begin another epoch: longer than any history.
const IDLE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Deletes messages that are older than their channel keeps them, and channels that nothing was published to for long.
pub(crate) async fn purge(ctx: &Ctx) -> Result<(), Error> {
    let now = ctx.db.steady_now().await;
    while store::messages::purge(&ctx.db, now, BATCH).await? == u64::from(BATCH) {}
    while store::tickets::purge(&ctx.db, now, BATCH).await? == u64::from(BATCH) {}
    while store::channels::purge(&ctx.db, now - IDLE, BATCH).await? == u64::from(BATCH) {}
    Ok(())
}
