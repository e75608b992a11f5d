//! Deleting versions for good: rows first, then, by a job, the bytes that no version has any more.

use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::Owner;

use super::{BATCH, get::key, renditions};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{BlobId, BucketId, ChunkId},
    jobs::{DeleteBlobs, DeleteChunks},
    store::versions::VersionRow,
    store::{blobs, buckets, owners, readings, unused_chunks, versions},
};

/// Deletes these versions of one bucket, whose owner's row the transaction has locked; how many were still there.
pub(crate) async fn versions(
    tx: &mut Tx,
    owner: Owner,
    bucket: BucketId,
    rows: &[VersionRow],
) -> Result<u64, Error> {
    if !buckets::count(tx, bucket, 0, 0).await? {
        return Ok(0);
    }
    let (mut count, mut bytes, mut unused) = (0_i64, 0_i64, Vec::new());
    for row in rows {
        if versions::delete(tx, row.id).await? {
            (count, bytes) = (count + 1, bytes + row.size);
            if blobs::release(tx, row.blob_id).await? {
                unused.push(row.blob_id);
            }
        }
    }
    buckets::count(tx, bucket, -count, -bytes).await?;
    owners::give(tx, owner, count, bytes).await?;
    if !unused.is_empty() {
        tx.enqueue(&DeleteBlobs { blob_ids: unused }).await?;
    }
    Ok(count.unsigned_abs())
}

/// Has bytes deleted that were a part's of an upload or a rendition's, whose row is gone.
pub(crate) async fn chunks(tx: &mut Tx, chunk_ids: Vec<ChunkId>) -> Result<(), Error> {
    if chunk_ids.is_empty() {
        return Ok(());
    }
    for chunk in &chunk_ids {
        unused_chunks::insert(tx, *chunk).await?;
    }
    tx.enqueue(&DeleteChunks { chunk_ids }).await?;
    Ok(())
}

/// Deletes bytes that no row names but the note that they are to be deleted. Once more does nothing.
pub(crate) async fn bytes_of_chunks(ctx: &Ctx, chunk_ids: &[ChunkId]) -> Result<(), Error> {
    for chunk in chunk_ids {
        ctx.objects.delete(&key(*chunk)).await?;
    }
    let mut tx = ctx.db.begin().await?;
    for chunk in chunk_ids {
        unused_chunks::delete(&mut tx, *chunk).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Deletes the bytes of blobs that no version has, and returns those that somebody still reads. Once more does nothing.
pub(crate) async fn bytes(ctx: &Ctx, blob_ids: &[BlobId]) -> Result<Vec<BlobId>, Error> {
    let mut read = Vec::new();
    for blob in blob_ids {
        let mut tx = ctx.db.begin().await?;
        let is_read = readings::any(&mut tx, *blob, ctx.clock.now()).await?;
        tx.commit().await?;
        if is_read {
            read.push(*blob);
            continue;
        }
        renditions::of_blob(ctx, *blob).await?;
        loop {
            let chunks = blobs::chunks(&ctx.db, *blob, 0, BATCH).await?;
            for chunk in &chunks {
                ctx.objects.delete(&key(chunk.id)).await?;
            }
            let mut tx = ctx.db.begin().await?;
            for chunk in &chunks {
                blobs::delete_chunk(&mut tx, chunk).await?;
            }
            if chunks.len() < BATCH as usize {
                blobs::delete(&mut tx, *blob).await?;
            }
            tx.commit().await?;
            if chunks.len() < BATCH as usize {
                break;
            }
        }
    }
    Ok(read)
}
