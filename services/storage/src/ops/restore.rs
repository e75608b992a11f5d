//! Making an older or a deleted version the current one again.

use stoa_kernel::Actor;

use super::{
    copy::{Target, copied, lock, sniffed},
    put::{By, created},
    remove,
};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        blobs,
        buckets::BucketRow,
        versions::{self, VersionRow},
    },
};

/// Restores the version to the path that it had. Of an older one the current version is a copy from now on; a deleted one is deleted
/// no more.
pub(crate) async fn restore(
    ctx: &Ctx,
    actor: &Actor,
    bucket: &BucketRow,
    seen: &VersionRow,
) -> Result<(VersionRow, bool), Error> {
    let sniffed = sniffed(ctx, bucket, seen).await?;
    let mut tx = ctx.db.begin().await?;
    lock(&mut tx, bucket, bucket).await?;
    let source = versions::find(&mut tx, seen.id).await?.ok_or(Error::NotFound)?;
    if source.is_current {
        tx.rollback().await;
        return Ok((source, false));
    }
    let is_deleted = source.deleted_at.is_some();
    if is_deleted {
        // Its room is given back before it is taken again.
        if !blobs::share(&mut tx, source.blob_id).await? {
            return Err(Error::NotFound);
        }
        remove::versions(&mut tx, bucket.owner, bucket.id, std::slice::from_ref(&source)).await?;
    }
    let target = Target {
        bucket,
        path: source.path.clone(),
        conditions: super::conditions::Conditions::default(),
    };
    let (version, is_new) = copied(&mut tx, ctx, (&source, sniffed), &target, Some(source.object_id)).await?;
    if is_deleted {
        blobs::release(&mut tx, source.blob_id).await?;
    }
    created(&mut tx, By::Actor(actor), bucket, &version, "object.restore").await?;
    tx.commit().await?;
    Ok((version, is_new))
}
