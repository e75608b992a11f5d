//! The bytes of a version.

use std::ops::Range;

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use stoa_kernel::Id;
use stoa_objects::ObjectError;

use crate::{
    ctx::Ctx,
    error::Error,
    ids::ChunkId,
    store::{blobs, versions::VersionRow},
};

/// Chunks that are looked up at once.
const PAGE: u32 = 1000;

/// Bytes as they come.
pub(crate) type Bytestream = BoxStream<'static, Result<Bytes, ObjectError>>;

/// Where a chunk is stored. The end of an id is random, so that no folder has too many.
pub(crate) fn key(chunk: ChunkId) -> String {
    let id = chunk.to_string();
    format!("storage/{}/{id}", &id[id.len() - 2..])
}

/// The bytes of `range`, which is within the version's size.
///
/// # Errors
/// When what is stored is damaged, or the object store says no.
pub(crate) async fn open(ctx: &Ctx, version: &VersionRow, range: Range<u64>) -> Result<Bytestream, Error> {
    if version.is_damaged {
        return Err(Error::Damaged);
    }
    if version.chunks == 1 {
        let key = key(Id::from_uuid(version.blob_id.uuid()));
        return Ok(ctx.objects.stream_range(&key, range).await?);
    }
    let parts = parts(ctx, version, range).await?;
    let objects = ctx.objects.clone();
    let pieces = stream::iter(parts).then(move |(chunk, range)| {
        let objects = objects.clone();
        async move { objects.stream_range(&key(chunk), range).await }
    });
    Ok(pieces.try_flatten().boxed())
}

/// The chunks that the range lies in, and the part of each.
async fn parts(
    ctx: &Ctx,
    version: &VersionRow,
    range: Range<u64>,
) -> Result<Vec<(ChunkId, Range<u64>)>, Error> {
    let (mut parts, mut begin, mut position) = (Vec::new(), 0_u64, 0_i64);
    while begin < range.end {
        let chunks = blobs::chunks(&ctx.db, version.blob_id, position, PAGE).await?;
        let Some(last) = chunks.last() else { break };
        position = last.position + 1;
        for chunk in chunks {
            let size = u64::try_from(chunk.size).unwrap_or_default();
            let within = range.start.max(begin)..range.end.min(begin + size);
            if within.start < within.end {
                parts.push((chunk.id, within.start - begin..within.end - begin));
            }
            begin += size;
        }
    }
    Ok(parts)
}
