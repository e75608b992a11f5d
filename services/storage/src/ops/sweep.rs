//! Deleting bytes that are left over: the process that stored them ended before a version had them, or the job that was to delete them
//! has failed for good.

use std::time::Duration;

use stoa_kernel::Timestamp;

use super::{BATCH, pending::give_up, remove, uploads::discard};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{blobs, pending, unused_chunks},
};

/// A job deletes bytes well within that time, where nothing is wrong.
const LEFT: Duration = Duration::from_secs(3600);

/// Deletes all that is left over. What cannot be deleted keeps nothing else: of a failure it is said when the rest is done.
pub(crate) async fn sweep(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    let left = now.checked_sub(LEFT).unwrap_or(Timestamp::MIN);
    let all = [
        abandoned(ctx, now).await,
        discard::expired(ctx, now).await,
        unused_blobs(ctx, left).await,
        unused_chunks(ctx, left).await,
    ];
    all.into_iter().collect()
}

/// Gives up uploads of which nothing was seen for `upload_abandoned`.
async fn abandoned(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    let before = now
        .checked_sub(ctx.config.upload_abandoned.0)
        .unwrap_or(Timestamp::MIN);
    loop {
        let stale = pending::stale(&ctx.db, before, BATCH).await?;
        let mut failed = Ok(());
        for row in &stale {
            let given_up = give_up(ctx, row.id, row.owner).await;
            metrics::counter!("storage_swept_total").increment(u64::from(given_up.is_ok()));
            failed = failed.and(given_up);
        }
        failed?;
        if stale.len() < BATCH as usize {
            return Ok(());
        }
    }
}

async fn unused_blobs(ctx: &Ctx, before: Timestamp) -> Result<(), Error> {
    loop {
        let found = blobs::unused(&ctx.db, before, ctx.clock.now(), BATCH).await?;
        let mut failed = Ok(());
        for blob in &found {
            // What is read yet is left to its job.
            failed = failed.and(remove::bytes(ctx, &[*blob]).await.map(drop));
        }
        failed?;
        if found.len() < BATCH as usize {
            return Ok(());
        }
    }
}

async fn unused_chunks(ctx: &Ctx, before: Timestamp) -> Result<(), Error> {
    loop {
        let found = unused_chunks::before(&ctx.db, before, BATCH).await?;
        let mut failed = Ok(());
        for chunk in &found {
            failed = failed.and(remove::bytes_of_chunks(ctx, &[*chunk]).await);
        }
        failed?;
        if found.len() < BATCH as usize {
            return Ok(());
        }
    }
}
