//! What follows from `user.erased`, and from what becomes of organizations.

use stoa_audit::{Entry, TxExt as _};
use stoa_events::TxExt as _;
use stoa_kernel::Owner;

use super::{BATCH, access_keys, remove, revocations, uploads};
use crate::{
    ctx::Ctx,
    error::Error,
    events::BucketDeleted,
    store::{
        buckets::{self, BucketRow},
        links, operations, owners, versions,
    },
};

/// Deletes all that the owner has, a batch in a transaction. Nothing is made for them meanwhile, nor later.
pub(crate) async fn erase(ctx: &Ctx, owner: Owner) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::erase(&mut tx, owner).await?;
    tx.commit().await?;
    uploads::discard::of_owner(ctx, owner).await?;
    access_keys::erase(ctx, owner).await?;
    if let Owner::User(user) = owner {
        revocations::erase(ctx, user).await?;
    }
    while let Some(bucket) = buckets::any_of(&ctx.db, owner).await? {
        empty(ctx, &bucket).await?;
    }
    Ok(())
}

/// Deletes the bucket, after all that is in it.
async fn empty(ctx: &Ctx, bucket: &BucketRow) -> Result<(), Error> {
    loop {
        let rows = versions::some_of(&ctx.db, bucket.id, BATCH).await?;
        let mut tx = ctx.db.begin().await?;
        owners::erase(&mut tx, bucket.owner).await?;
        remove::versions(&mut tx, bucket.owner, bucket.id, &rows).await?;
        let is_gone = rows.is_empty() && buckets::delete(&mut tx, bucket.id).await?;
        if is_gone {
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
        if is_gone {
            return Ok(());
        }
    }
}

/// Hides all that an organization has, as long as it can be restored, or shows it again.
pub(crate) async fn suspend(ctx: &Ctx, owner: Owner, is_suspended: bool) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::suspend(&mut tx, owner, is_suspended).await?;
    tx.commit().await?;
    Ok(())
}
