//! Giving up an upload: its room is given back at once, its bytes are deleted by a job.

use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Id, Owner, Timestamp};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::Error,
    ids::{BucketId, UploadId},
    jobs::DiscardUpload,
    ops::{BATCH, get::key},
    store::{
        owners, parts,
        uploads::{self, UploadRow},
    },
};

/// Uploads that one job deletes: each may have thousands of parts.
const FEW: u32 = 10;

/// Gives up an open upload; false if it was not open. What arrives for it from now on comes to nothing.
pub(crate) async fn abort(ctx: &Ctx, upload: &UploadRow) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    // Also where the owner is erased: then there is more to give up.
    owners::lock(&mut tx, upload.owner).await?;
    let found = uploads::find(&mut tx, upload.id).await?;
    let Some(row) = found.filter(|row| row.state == uploads::OPEN) else {
        tx.rollback().await;
        return Ok(false);
    };
    close(&mut tx, ctx, &row).await?;
    tx.enqueue(&DiscardUpload { upload_id: row.id }).await?;
    tx.commit().await?;
    Ok(true)
}

async fn close(tx: &mut Tx, ctx: &Ctx, row: &UploadRow) -> Result<(), Error> {
    // A job deletes it; should that fail for good, the sweep does.
    uploads::close(tx, row.id, (uploads::ABORTED, None), ctx.clock.now()).await?;
    owners::give(tx, row.owner, 1, row.reserved).await?;
    owners::give_upload(tx, row.owner).await.map_err(Error::from)
}

/// Deletes the parts that no object has of an upload that is not open, and the upload, if nothing has become of it. Once more does
/// nothing.
pub(crate) async fn discard(ctx: &Ctx, id: UploadId) -> Result<(), Error> {
    let Some(row) = uploads::get(&ctx.db, id).await? else {
        return Ok(());
    };
    if row.state == uploads::OPEN {
        return Ok(());
    }
    delete_parts(ctx, id).await?;
    if row.outcome.is_none() {
        let mut tx = ctx.db.begin().await?;
        uploads::delete(&mut tx, id).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn delete_parts(ctx: &Ctx, id: UploadId) -> Result<(), Error> {
    loop {
        let found = parts::list(&ctx.db, id, 0, BATCH).await?;
        for part in &found {
            ctx.objects.delete(&key(part.chunk_id)).await?;
        }
        let mut tx = ctx.db.begin().await?;
        for part in &found {
            parts::delete(&mut tx, id, part.number).await?;
        }
        tx.commit().await?;
        if found.len() < BATCH as usize {
            return Ok(());
        }
    }
}

/// Gives up uploads whose time is over, and deletes what is remembered of others.
pub(crate) async fn expired(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    loop {
        let found = uploads::expired(&ctx.db, now, BATCH).await?;
        let mut failed = Ok(());
        for row in &found {
            failed = failed.and(remove(ctx, row, Some(now)).await);
        }
        failed?;
        if found.len() < BATCH as usize {
            return Ok(());
        }
    }
}

/// Deletes some uploads of an owner who is being erased; false if there was none.
pub(crate) async fn some_of_owner(ctx: &Ctx, owner: Owner) -> Result<bool, Error> {
    let found = uploads::of_owner(&ctx.db, owner, FEW).await?;
    for row in &found {
        remove(ctx, row, None).await?;
    }
    Ok(!found.is_empty())
}

/// Gives up all open uploads of a bucket that is gone.
pub(crate) async fn of_bucket(ctx: &Ctx, bucket: BucketId) -> Result<(), Error> {
    loop {
        let first = (&b""[..], Id::from_uuid(Uuid::nil()));
        let found = uploads::of_bucket(&ctx.db, bucket, first, BATCH).await?;
        for row in &found {
            remove(ctx, row, None).await?;
        }
        if found.is_empty() {
            return Ok(());
        }
    }
}

/// Deletes an upload at once, whatever its state; if its time is over, where that is asked for: something may have come meanwhile.
async fn remove(ctx: &Ctx, row: &UploadRow, expired: Option<Timestamp>) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::lock(&mut tx, row.owner).await?;
    let found = uploads::find(&mut tx, row.id).await?;
    let Some(row) = found.filter(|row| expired.is_none_or(|now| row.expires_at <= now)) else {
        tx.rollback().await;
        return Ok(());
    };
    if row.state == uploads::OPEN {
        close(&mut tx, ctx, &row).await?;
        tx.commit().await?;
    } else {
        tx.rollback().await;
    }
    delete_parts(ctx, row.id).await?;
    let mut tx = ctx.db.begin().await?;
    uploads::delete(&mut tx, row.id).await?;
    tx.shred();
    tx.commit().await?;
    Ok(())
}
