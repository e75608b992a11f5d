//! Deleting an object: so that it can be restored for a while, or for good.

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Timestamp};

use super::{
    conditions::Conditions,
    put::{By, created},
    remove,
};
use crate::{
    ctx::Ctx,
    error::Error,
    events::ObjectDeleted,
    ids::VersionId,
    store::{
        buckets::BucketRow,
        owners,
        versions::{self, VersionRow},
    },
};

/// Deletes what is stored under the path; fine if there is nothing. `forever`: it cannot be restored.
///
/// # Errors
/// When the conditions do not hold.
pub(crate) async fn delete(
    ctx: &Ctx,
    actor: &Actor,
    bucket: &BucketRow,
    path: &str,
    (conditions, forever): (&Conditions, bool),
) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::lock(&mut tx, bucket.owner).await?;
    let current = versions::find_current(&mut tx, bucket.id, path).await?;
    conditions.writing(current.as_ref())?;
    let Some(current) = current else {
        tx.rollback().await;
        return Ok(());
    };
    one(&mut tx, ctx, bucket, &current, forever).await?;
    let entry = Entry::by(actor, "object.delete", "object", Some(current.object_id.uuid()));
    tx.audit(&entry.owner(bucket.owner)).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes one version for good; fine if it is not there. In place of the current one that before it is the current one again.
///
/// # Errors
/// When the conditions do not hold for it.
pub(crate) async fn version(
    ctx: &Ctx,
    actor: &Actor,
    bucket: &BucketRow,
    (path, id): (&str, VersionId),
    conditions: &Conditions,
) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::lock(&mut tx, bucket.owner).await?;
    let found = versions::find(&mut tx, id).await?;
    let found = found.filter(|row| row.bucket_id == bucket.id && row.path == path);
    conditions.writing(found.as_ref())?;
    let Some(found) = found else {
        tx.rollback().await;
        return Ok(());
    };
    let former = if found.is_current {
        versions::former(&mut tx, &found).await?
    } else {
        None
    };
    if found.is_current && former.is_none() {
        one(&mut tx, ctx, bucket, &found, true).await?;
    } else {
        remove::versions(&mut tx, bucket.owner, bucket.id, std::slice::from_ref(&found)).await?;
    }
    if let Some(former) = former {
        versions::promote(&mut tx, former.id).await?;
        created(&mut tx, By::Actor(actor), bucket, &former, "object.restore").await?;
    }
    let entry = Entry::by(
        actor,
        "object.delete_version",
        "object",
        Some(found.object_id.uuid()),
    );
    tx.audit(&entry.owner(bucket.owner)).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes a current version, and says so. The owner's row is locked.
pub(crate) async fn one(
    tx: &mut Tx,
    ctx: &Ctx,
    bucket: &BucketRow,
    current: &VersionRow,
    forever: bool,
) -> Result<(), Error> {
    let now = ctx.clock.now();
    if forever {
        remove::versions(tx, bucket.owner, bucket.id, std::slice::from_ref(current)).await?;
    } else {
        let purge_at = now
            .checked_add(ctx.config.keep_deleted.0)
            .unwrap_or(Timestamp::MAX);
        versions::soft_delete(tx, current.id, now, purge_at).await?;
    }
    tx.emit(&ObjectDeleted {
        owner: bucket.owner,
        bucket_id: bucket.id,
        bucket: bucket.name.clone(),
        object_id: current.object_id,
        path: current.path.clone(),
        forever,
    })
    .await?;
    Ok(())
}
