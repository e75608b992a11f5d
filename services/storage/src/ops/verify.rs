//! Comparing what is stored with its checksums, a little at a time.

use std::time::Duration;

use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use stoa_events::TxExt as _;
use stoa_kernel::Timestamp;
use stoa_objects::ObjectError;

use super::get::key;
use crate::{
    ctx::Ctx,
    error::Error,
    events::BytesDamaged,
    store::{
        blobs::{self, ChunkRow},
        versions,
    },
};

/// Chunks that are looked up at once.
const PAGE: u32 = 100;
/// What could not be read is tried again after so long.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// Reads chunks that were not read for `verify_every`, the longest ago first, up to `verify_bytes` of them.
pub(crate) async fn verify(ctx: &Ctx) -> Result<(), Error> {
    // What is noted as read by a clock that is ahead would not be read for as long.
    let now = ctx.db.steady_now().await;
    let before = now
        .checked_sub(ctx.config.verify_every.0)
        .unwrap_or(Timestamp::MIN);
    let mut left = ctx.config.verify_bytes;
    while left > 0 {
        let chunks = blobs::unchecked(&ctx.db, before, PAGE).await?;
        if chunks.is_empty() {
            return Ok(());
        }
        for chunk in chunks {
            check(ctx, &chunk, now).await?;
            left -= chunk.size.max(1);
            if left <= 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn check(ctx: &Ctx, chunk: &ChunkRow, now: Timestamp) -> Result<(), Error> {
    let is_whole = match digest(ctx, chunk).await {
        Ok(digest) => digest == *chunk.sha256,
        Err(ObjectError::NotFound) => false,
        Err(error) => return unreadable(ctx, chunk, now, error).await,
    };
    let mut tx = ctx.db.begin().await?;
    // It may have been deleted meanwhile, and its bytes with it.
    if blobs::checked(&mut tx, chunk.id, now).await?
        && !is_whole
        && versions::damage(&mut tx, chunk.blob_id).await? > 0
    {
        tx.emit(&BytesDamaged {
            blob_id: chunk.blob_id,
        })
        .await?;
        metrics::counter!("storage_damaged_total").increment(1);
        tracing::error!(blob = %chunk.blob_id, key = key(chunk.id), "stored bytes do not match their checksum");
    }
    tx.commit().await?;
    Ok(())
}

/// Leaves a chunk that cannot be read for later, so that others are compared meanwhile.
///
/// # Errors
/// When the store is away, so that it is not the chunk's fault.
async fn unreadable(ctx: &Ctx, chunk: &ChunkRow, now: Timestamp, error: ObjectError) -> Result<(), Error> {
    ctx.objects.ping().await?;
    metrics::counter!("storage_unreadable_total").increment(1);
    tracing::error!(blob = %chunk.blob_id, key = key(chunk.id), %error, "stored bytes cannot be read; trying again in a day");
    let passed = ctx.config.verify_every.0.saturating_sub(AGAIN);
    let mut tx = ctx.db.begin().await?;
    blobs::checked(&mut tx, chunk.id, now.checked_sub(passed).unwrap_or(now)).await?;
    tx.commit().await?;
    Ok(())
}

async fn digest(ctx: &Ctx, chunk: &ChunkRow) -> Result<Vec<u8>, ObjectError> {
    let mut stream = ctx.objects.stream_range(&key(chunk.id), 0..u64::MAX).await?;
    let mut hash = Sha256::new();
    while let Some(piece) = stream.try_next().await? {
        hash.update(&piece);
        // So much at once is long enough to keep others waiting.
        tokio::task::yield_now().await;
    }
    Ok(hash.finalize().to_vec())
}
