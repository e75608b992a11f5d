//! Downloads that open further bytes as they go on: those of objects in several pieces, and of several ranges. Who began one gets all of
//! the version that it began with, also where that is replaced or deleted meanwhile.

use stoa_kernel::{Id, Timestamp};

use crate::{
    ctx::Ctx,
    error::Error,
    ids::{BlobId, ReadingId},
    store::{blobs, readings},
};

/// Why nothing is read of a version that is not there any more.
pub(crate) const GONE: Error = Error::Busy("the object was replaced or deleted just now");

/// A download under way, for which the bytes are kept until it is dropped, or for `reading_keep`.
pub(crate) struct Reading {
    ctx: Ctx,
    id: ReadingId,
}

impl Reading {
    /// Notes that the blob is read.
    ///
    /// # Errors
    /// When no version has it any more, to be tried again: then another one, or none, is what is asked for.
    pub(crate) async fn begin(ctx: &Ctx, blob: BlobId) -> Result<Option<Self>, Error> {
        match note(ctx, blob).await {
            Ok(id) => Ok(Some(Self { ctx: ctx.clone(), id })),
            // Where nothing can be written, as with a full disk, one reads all the same.
            Err(Error::Db(error)) => {
                tracing::warn!(%error, "a download is not noted, and ends early if its object is deleted");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

async fn note(ctx: &Ctx, blob: BlobId) -> Result<ReadingId, Error> {
    let id = Id::new(&ctx.clock);
    let keep = ctx.config.reading_keep.0;
    let until = ctx.clock.now().checked_add(keep).unwrap_or(Timestamp::MAX);
    let mut tx = ctx.db.begin().await?;
    // Locks it: who deletes the last version of it from now on sees what is noted.
    if !blobs::is_used(&mut tx, blob).await? {
        return Err(GONE);
    }
    readings::insert(&mut tx, id, blob, until).await?;
    tx.commit().await?;
    Ok(id)
}

impl Drop for Reading {
    fn drop(&mut self) {
        let (ctx, id) = (self.ctx.clone(), self.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Should it fail, the note counts until its time is over.
                if let Err(error) = readings::delete(&ctx.db, id).await {
                    tracing::warn!(%error, "a download has ended and is noted on");
                }
            });
        }
    }
}

/// Deletes the notes of downloads whose process has ended.
pub(crate) async fn purge(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = readings::delete_before(&mut tx, now, super::BATCH).await?;
        tx.commit().await?;
        if deleted < u64::from(super::BATCH) {
            return Ok(());
        }
    }
}
