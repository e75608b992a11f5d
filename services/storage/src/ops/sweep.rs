//! Deleting what was stored for a version that never came: its process ended before it could do so itself.

use stoa_kernel::Timestamp;

use super::{BATCH, pending::give_up};
use crate::{ctx::Ctx, error::Error, store::pending};

/// Gives up uploads of which nothing was seen for `upload_abandoned`.
pub(crate) async fn sweep(ctx: &Ctx) -> Result<(), Error> {
    let now = ctx.db.steady_now().await;
    let before = now
        .checked_sub(ctx.config.upload_abandoned.0)
        .unwrap_or(Timestamp::MIN);
    loop {
        let stale = pending::stale(&ctx.db, before, BATCH).await?;
        for row in &stale {
            give_up(ctx, row.id, row.owner).await?;
            metrics::counter!("storage_swept_total").increment(1);
        }
        if stale.len() < BATCH as usize {
            return Ok(());
        }
    }
}
