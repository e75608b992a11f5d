//! Joining pieces, which were uploaded side by side, to one object.

use stoa_db::Tx;
use stoa_kernel::{Actor, Id, Owner, Timestamp};

use super::{
    begin::{NewUpload, most, row_of},
    complete::{Completion, FIRST, REMEMBERED, compose, head_of},
};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{ChunkId, UploadId},
    kind,
    ops::put::By,
    store::{
        buckets::BucketRow,
        owners, parts,
        uploads::{self, Outcome, UploadRow},
    },
};

/// Joins the pieces, which are the actor's, in this order. Sent again it is answered alike: the pieces are used up by it.
///
/// # Errors
/// When one of them is not there or not all of it has come, there is no room, or as [`compose`].
pub(crate) async fn join(
    ctx: &Ctx,
    actor: &Actor,
    bucket: &BucketRow,
    new: NewUpload<'_>,
    pieces: &[UploadId],
) -> Result<UploadId, Error> {
    let mut rows = Vec::with_capacity(pieces.len());
    for id in pieces {
        rows.push(piece(uploads::get(&ctx.db, *id).await?, actor)?);
    }
    if let Some(before) = joined(&rows) {
        return Ok(before);
    }
    let size: i64 = rows.iter().map(|row| row.received).sum();
    if size > most(ctx, Some(bucket)) {
        return Err(Error::TooLarge(most(ctx, Some(bucket))));
    }
    let mut row = row_of(ctx, actor.user_id, new);
    (row.length, row.reserved) = (Some(size), 0);
    let head = head_of(ctx, &first_chunks(ctx, pieces).await?).await?;
    let mut tx = ctx.db.begin().await?;
    lock(&mut tx, bucket.owner, &rows).await?;
    uploads::insert(&mut tx, &row).await?;
    for id in pieces {
        let found = piece(uploads::find(&mut tx, *id).await?, actor)?;
        if found.state != uploads::OPEN {
            return Err(Error::UploadGone);
        }
        hand_over(&mut tx, ctx, &found, &mut row).await?;
    }
    let room = (ctx.config.objects_max, ctx.config.bytes_max);
    if !owners::take(&mut tx, bucket.owner, (1, row.received), room).await? {
        return Err(Error::Quota);
    }
    row.reserved = row.received;
    // It is given back by the completion.
    owners::take_upload(&mut tx, bucket.owner, i64::MAX).await?;
    uploads::save(&mut tx, &row).await?;
    let completion = Completion::default();
    compose(&mut tx, ctx, By::Actor(actor), bucket, &row, (&completion, &head)).await?;
    tx.commit().await?;
    Ok(row.id)
}

/// A piece of the actor's of which all has come, or that was joined before.
fn piece(found: Option<UploadRow>, actor: &Actor) -> Result<UploadRow, Error> {
    let row = found.ok_or(Error::NotFound)?;
    if row.user_id != actor.user_id || row.bucket_id.is_some() || row.protocol != super::TUS {
        return Err(Error::NotFound);
    }
    match &*row.state {
        uploads::JOINED => Ok(row),
        uploads::OPEN if row.length == Some(row.received) => Ok(row),
        uploads::OPEN => Err(Error::Unfinished),
        _ => Err(Error::UploadGone),
    }
}

/// What all of them were joined to before.
fn joined(rows: &[UploadRow]) -> Option<UploadId> {
    let mut all = rows.iter().map(|row| match &row.outcome {
        Some(Outcome::Joined(id)) => Some(*id),
        _ => None,
    });
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// The first chunks of what they come to.
async fn first_chunks(ctx: &Ctx, pieces: &[UploadId]) -> Result<Vec<ChunkId>, Error> {
    let (mut chunks, mut bytes) = (Vec::new(), 0);
    for id in pieces {
        for part in parts::list(&ctx.db, *id, 0, FIRST).await? {
            chunks.push(part.chunk_id);
            bytes += part.size;
        }
        if bytes >= kind::HEAD as i64 {
            break;
        }
    }
    Ok(chunks)
}

/// Locks the owners of all of them, always in one order.
async fn lock(tx: &mut Tx, owner: Owner, rows: &[UploadRow]) -> Result<(), Error> {
    let mut all: Vec<Owner> = rows.iter().map(|row| row.owner).chain([owner]).collect();
    all.sort_by_key(|owner| (owner.kind(), owner.uuid()));
    all.dedup();
    for owner in all {
        if !owners::lock(tx, owner).await? {
            return Err(Error::Erased);
        }
    }
    Ok(())
}

/// Makes the parts of a piece those of the whole, and gives back the room that it had.
async fn hand_over(tx: &mut Tx, ctx: &Ctx, from: &UploadRow, to: &mut UploadRow) -> Result<(), Error> {
    parts::hand_over(tx, from.id, (to.id, to.numbered)).await?;
    to.numbered += from.numbered;
    to.received += from.received;
    owners::give(tx, from.owner, 1, from.reserved).await?;
    owners::give_upload(tx, from.owner).await?;
    let until = ctx.clock.now().checked_add(REMEMBERED).unwrap_or(Timestamp::MAX);
    let outcome = Outcome::Joined(Id::from_uuid(to.id.uuid()));
    uploads::close(tx, from.id, (uploads::JOINED, Some(&outcome)), until).await?;
    Ok(())
}
