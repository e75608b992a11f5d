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
    ops::reading::{GONE, Reading},
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

/// The bytes of `range`, which is within the version's size. All of them come, also where it is replaced or deleted meanwhile.
///
/// # Errors
/// When what is stored is damaged, the version is not there any more, or the object store says no.
pub(crate) async fn open(ctx: &Ctx, version: &VersionRow, range: Range<u64>) -> Result<Bytestream, Error> {
    let parts = parts(ctx, version, range).await?;
    // What is in one piece is open from the beginning, and stays readable.
    let reading = match parts.len() {
        0 | 1 => None,
        _ => Reading::begin(ctx, version.blob_id).await?,
    };
    pieces(ctx, version, (parts, reading)).await
}

/// The same of one of several ranges, for which the caller keeps the bytes.
pub(crate) async fn open_kept(
    ctx: &Ctx,
    version: &VersionRow,
    range: Range<u64>,
) -> Result<Bytestream, Error> {
    let parts = parts(ctx, version, range).await?;
    pieces(ctx, version, (parts, None)).await
}

async fn pieces(
    ctx: &Ctx,
    version: &VersionRow,
    (parts, reading): (Vec<(ChunkId, Range<u64>)>, Option<Reading>),
) -> Result<Bytestream, Error> {
    let mut parts = parts.into_iter();
    let Some((chunk, range)) = parts.next() else {
        return Ok(stream::empty().boxed());
    };
    let first = match ctx.objects.stream_range(&key(chunk), range).await {
        Ok(first) => first,
        Err(ObjectError::NotFound) => {
            let is_there = is_there(ctx, version).await?;
            return Err(if is_there {
                ObjectError::NotFound.into()
            } else {
                GONE
            });
        }
        Err(error) => return Err(error.into()),
    };
    let objects = ctx.objects.clone();
    let rest = stream::iter(parts).then(move |(chunk, range)| {
        // Until the last byte was read.
        let (objects, _reading) = (objects.clone(), &reading);
        async move { objects.stream_range(&key(chunk), range).await }
    });
    Ok(first.chain(rest.try_flatten()).boxed())
}

/// Whether some version still has its bytes.
async fn is_there(ctx: &Ctx, version: &VersionRow) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let is_there = blobs::is_used(&mut tx, version.blob_id).await?;
    tx.commit().await?;
    Ok(is_there)
}

/// The chunks that the range lies in, and the part of each.
async fn parts(
    ctx: &Ctx,
    version: &VersionRow,
    range: Range<u64>,
) -> Result<Vec<(ChunkId, Range<u64>)>, Error> {
    if version.is_damaged {
        return Err(Error::Damaged);
    }
    if version.chunks == 1 {
        return Ok(vec![(Id::from_uuid(version.blob_id.uuid()), range)]);
    }
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
