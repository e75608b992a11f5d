//! What follows from `user.erased`, and from what becomes of organizations.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::Owner;

use super::{BATCH, access_keys, remove, revocations, uploads};
use crate::{
    ctx::Ctx,
    error::Error,
    events::BucketDeleted,
    jobs::EraseOwner,
    store::{
        buckets::{self, BucketRow},
        links, operations, owners, versions,
    },
};

/// From now on nothing is made for the owner, and all that they have is deleted by a job, for it may be much.
pub(crate) async fn erase(tx: &mut Tx, owner: Owner) -> Result<(), Error> {
    owners::erase(tx, owner).await?;
    tx.enqueue(&EraseOwner { owner }).await?;
    Ok(())
}

/// Deletes a batch of what the owner has; true if there may be more. What needs the object store, which may be away, comes last.
pub(crate) async fn erase_some(ctx: &Ctx, owner: Owner) -> Result<bool, Error> {
    if access_keys::erase_some(ctx, owner).await? {
        return Ok(true);
    }
    if let Some(bucket) = buckets::any_of(&ctx.db, owner).await? {
        empty_some(ctx, &bucket).await?;
        return Ok(true);
    }
    if let Owner::User(user) = owner
        && revocations::erase_some(ctx, user).await?
    {
        return Ok(true);
    }
    uploads::discard::some_of_owner(ctx, owner).await
}

/// Deletes a batch of what is in the bucket, or the bucket, where nothing is.
async fn empty_some(ctx: &Ctx, bucket: &BucketRow) -> Result<(), Error> {
    let rows = versions::some_of(&ctx.db, bucket.id, BATCH).await?;
    let mut tx = ctx.db.begin().await?;
    owners::erase(&mut tx, bucket.owner).await?;
    remove::versions(&mut tx, bucket.owner, bucket.id, &rows).await?;
    if rows.is_empty() && buckets::delete(&mut tx, bucket.id).await? {
        operations::delete_of(&mut tx, bucket.id).await?;
        links::delete_of(&mut tx, bucket.id).await?;
        owners::give_bucket(&mut tx, bucket.owner).await?;
        tx.emit(&BucketDeleted {
            owner: bucket.owner,
            bucket_id: bucket.id,
            name: bucket.name.clone(),
        })
        .await?;
        let entry = Entry::new(None, "bucket.delete", "bucket", Some(bucket.id.uuid()));
        tx.audit(&entry.owner(bucket.owner)).await?;
    }
    tx.shred();
    tx.commit().await?;
    Ok(())
}

/// Hides all that an organization has, as long as it can be restored, or shows it again.
pub(crate) async fn suspend(ctx: &Ctx, owner: Owner, is_suspended: bool) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::suspend(&mut tx, owner, is_suspended).await?;
    tx.commit().await?;
    Ok(())
}
