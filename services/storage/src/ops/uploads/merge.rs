//! Many small parts become one: an object of a million of them would be slow to read.

use futures::{StreamExt, TryStreamExt, stream};
use stoa_kernel::Id;

use super::{append::PIECE, part::open};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::ChunkId,
    ops::{
        get::key,
        intake::{self, Body, Expected, Stored},
        pending::{GIVEN_UP, Room},
        remove,
    },
    store::{
        parts::{self, PartRow},
        pending,
        uploads::UploadRow,
    },
};

/// So many parts may be small. Each byte is written again the more seldom the more they are.
const SMALL: u32 = 64;

/// Makes one of the last parts of the upload, if so many are small. The request that appends to it does so.
pub(crate) async fn tail(ctx: &Ctx, row: &UploadRow, writer: uuid::Uuid) -> Result<(), Error> {
    let mut last = parts::last(&ctx.db, row.id, SMALL).await?;
    if last.len() < SMALL as usize || last.iter().any(|part| part.size >= PIECE / 2) {
        return Ok(());
    }
    last.reverse();
    let mut size = 0;
    let fits = |part: &&PartRow| {
        size += part.size;
        size <= PIECE
    };
    let merged: Vec<PartRow> = last.iter().take_while(fits).cloned().collect();
    let stored = store(ctx, row, &merged).await?;
    match name(ctx, row, writer, (&merged, &stored)).await {
        Ok(()) => {
            stored.pending.arrived();
            Ok(())
        }
        Err(error) => {
            stored.pending.abandon().await;
            Err(error)
        }
    }
}

async fn store(ctx: &Ctx, row: &UploadRow, merged: &[PartRow]) -> Result<Stored, Error> {
    let keys: Vec<String> = merged.iter().map(|part| key(part.chunk_id)).collect();
    let objects = ctx.objects.clone();
    let bytes = stream::iter(keys).then(move |key| {
        let objects = objects.clone();
        async move { objects.stream_range(&key, 0..u64::MAX).await }
    });
    let body: Body = bytes.try_flatten().map_err(Into::into).boxed();
    let expected = Expected {
        length: Some(merged.iter().map(|part| part.size).sum()),
        max: PIECE,
        room: Room::Reserved,
        ..Expected::default()
    };
    intake::store(ctx, row.owner, expected, body).await
}

async fn name(
    ctx: &Ctx,
    row: &UploadRow,
    writer: uuid::Uuid,
    (merged, stored): (&[PartRow], &Stored),
) -> Result<(), Error> {
    let Some(first) = merged.first() else {
        return Ok(());
    };
    let mut tx = ctx.db.begin().await?;
    if open(&mut tx, row).await?.writer != Some(writer) {
        return Err(Error::UploadLocked);
    }
    pending::arrived(&mut tx, stored.pending.id)
        .await?
        .ok_or(GIVEN_UP)?;
    let mut former: Vec<ChunkId> = Vec::new();
    for part in merged {
        parts::delete(&mut tx, row.id, part.number).await?;
        former.push(part.chunk_id);
    }
    let part = PartRow {
        upload_id: row.id,
        number: first.number,
        chunk_id: Id::from_uuid(stored.pending.id.uuid()),
        size: stored.size,
        md5: stored.md5.to_vec(),
        sha256: stored.sha256.to_vec(),
        received_at: ctx.clock.now(),
    };
    parts::insert(&mut tx, &part).await?;
    remove::chunks(&mut tx, former).await?;
    tx.commit().await?;
    Ok(())
}
