//! Storing a part: the bytes first, then one transaction with the row that names them and all that follows.

use stoa_db::Tx;
use stoa_kernel::{Actor, Id};

use super::begin::{expiry, most};
use crate::{
    ctx::Ctx,
    error::Error,
    ops::{
        intake::{self, Body, Expected, Stored},
        pending::{GIVEN_UP, Room},
        remove,
    },
    store::{
        buckets::BucketRow,
        owners,
        parts::{self, PartRow},
        pending,
        uploads::{self, UploadRow},
    },
    uploads::Sender,
};

/// Numbers of parts, as on S3.
pub(crate) const NUMBERS: std::ops::RangeInclusive<i64> = 1..=10_000;

/// Stores the body as the part of this number, in place of one that was there.
///
/// # Errors
/// As [`intake::store`], and when the upload is not open or its object would be too large.
pub(crate) async fn put(
    ctx: &Ctx,
    actor: &Actor,
    upload: &UploadRow,
    bucket: &BucketRow,
    number: i64,
    (mut expected, body): (Expected, Body),
) -> Result<PartRow, Error> {
    if !NUMBERS.contains(&number) {
        return Err(Error::PartNumber);
    }
    let _upload = ctx.uploads.begin(Sender::of(actor))?;
    expected.max = most(ctx, Some(bucket));
    expected.room = Room::Part;
    expected.allowed_types = Vec::new();
    let stored = intake::store(ctx, upload.owner, expected, body).await?;
    metrics::counter!("storage_received_bytes_total").increment(stored.size.unsigned_abs());
    match name(ctx, upload, bucket, number, &stored).await {
        Ok(part) => {
            stored.pending.arrived();
            Ok(part)
        }
        Err(error) => {
            stored.pending.abandon().await;
            Err(error)
        }
    }
}

/// The transaction by which the upload has the part.
async fn name(
    ctx: &Ctx,
    upload: &UploadRow,
    bucket: &BucketRow,
    number: i64,
    stored: &Stored,
) -> Result<PartRow, Error> {
    let mut tx = ctx.db.begin().await?;
    let mut row = open(&mut tx, upload).await?;
    let part = arrive(&mut tx, ctx, &mut row, number, stored).await?;
    if row.received > most(ctx, Some(bucket)) {
        return Err(Error::TooLarge(most(ctx, Some(bucket))));
    }
    if !uploads::save(&mut tx, &row).await? {
        return Err(Error::UploadGone);
    }
    tx.commit().await?;
    Ok(part)
}

/// The upload as it is, with its owner's row locked.
///
/// # Errors
/// When it is not open any more.
pub(crate) async fn open(tx: &mut Tx, upload: &UploadRow) -> Result<UploadRow, Error> {
    if !owners::lock(tx, upload.owner).await? {
        return Err(Error::Erased);
    }
    let found = uploads::find(tx, upload.id).await?.ok_or(Error::NotFound)?;
    if found.state == uploads::OPEN {
        Ok(found)
    } else {
        Err(Error::UploadGone)
    }
}

/// Makes what was stored the part of this number, and counts it in the row, which is to be saved.
pub(crate) async fn arrive(
    tx: &mut Tx,
    ctx: &Ctx,
    row: &mut UploadRow,
    number: i64,
    stored: &Stored,
) -> Result<PartRow, Error> {
    let now = ctx.clock.now();
    let reserved = pending::arrived(tx, stored.pending.id).await?.ok_or(GIVEN_UP)?;
    let former = parts::take(tx, row.id, number).await?;
    let part = PartRow {
        upload_id: row.id,
        number,
        chunk_id: Id::from_uuid(stored.pending.id.uuid()),
        size: stored.size,
        md5: stored.md5.to_vec(),
        sha256: stored.sha256.to_vec(),
        received_at: now,
    };
    parts::insert(tx, &part).await?;
    let freed = former.as_ref().map_or(0, |former| former.size);
    if let Room::Part = stored.room {
        owners::give(tx, row.owner, 0, reserved - stored.size + freed).await?;
        row.reserved += stored.size - freed;
    }
    row.received += stored.size - freed;
    row.numbered = row.numbered.max(number);
    row.expires_at = expiry(ctx, now);
    if let Some(former) = former {
        remove::chunks(tx, vec![former.chunk_id]).await?;
    }
    Ok(part)
}
