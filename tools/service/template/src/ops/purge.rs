//! Deleting items whose time is over.

use super::BATCH;
use crate::{ctx::Ctx, error::Error, store::items};

/// Deletes items older than `keep`, a batch in a transaction.
pub(crate) async fn purge(ctx: &Ctx) -> Result<(), Error> {
    let Ok(before) = ctx.clock.now().checked_sub(ctx.config.keep.0) else {
        return Ok(());
    };
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = items::delete_before(&mut tx, before, BATCH).await?;
        tx.commit().await?;
        if deleted < u64::from(BATCH) {
            return Ok(());
        }
    }
}
