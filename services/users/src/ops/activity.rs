//! The activity log's upkeep.

use stoa_kernel::Timestamp;

use crate::{ctx::Ctx, error::Error, store};

/// Entries deleted in one transaction.
const BATCH: u32 = 1000;

/// Deletes what is older than it is kept, and what came in while a person was being erased.
pub(crate) async fn purge(ctx: &Ctx) -> Result<(), Error> {
    let keep =
        jiff::SignedDuration::try_from(ctx.config.activity_keep.0).unwrap_or(jiff::SignedDuration::MAX);
    let until = ctx
        .db
        .steady_now()
        .await
        .checked_sub(keep)
        .unwrap_or(Timestamp::MIN);
    while store::activity::purge(&ctx.db, until, BATCH).await? > 0 {}
    store::activity::delete_of_erased(&ctx.db).await?;
    Ok(())
}
