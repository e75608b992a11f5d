//! Making a version the current one under its path.

use stoa_db::Tx;
use stoa_events::TxExt as _;

use super::conditions::Conditions;
use crate::{
    error::Error,
    jobs::DeleteBlobs,
    store::{
        blobs,
        buckets::{self, BucketRow},
        owners,
        versions::{self, VersionRow},
    },
};

/// Writes the version, in place of the one that is current: an older version then, or deleted where the bucket keeps none. The owner's
/// row is locked and has the room already. Returns the version, and whether there was none under its path.
///
/// # Errors
/// When the bucket is gone, or the conditions do not hold any more.
pub(crate) async fn place(
    tx: &mut Tx,
    bucket: &BucketRow,
    mut new: VersionRow,
    conditions: &Conditions,
) -> Result<(VersionRow, bool), Error> {
    // Locks the bucket, so that nobody else changes what is current.
    if !buckets::count(tx, bucket.id, 1, new.size).await? {
        return Err(Error::NotFound);
    }
    let former = versions::find_current(tx, bucket.id, &new.path).await?;
    conditions.writing(former.as_ref())?;
    let is_new = former.is_none();
    if let Some(former) = former {
        new.object_id = former.object_id;
        if bucket.is_versioned {
            versions::supersede(tx, former.id).await?;
        } else {
            replace(tx, bucket, &former).await?;
        }
    }
    versions::insert(tx, &new).await?;
    Ok((new, is_new))
}

/// Deletes what is replaced.
async fn replace(tx: &mut Tx, bucket: &BucketRow, former: &VersionRow) -> Result<(), Error> {
    versions::delete(tx, former.id).await?;
    buckets::count(tx, bucket.id, -1, -former.size).await?;
    owners::give(tx, bucket.owner, 1, former.size).await?;
    if blobs::release(tx, former.blob_id).await? {
        let blob_ids = vec![former.blob_id];
        tx.enqueue(&DeleteBlobs { blob_ids }).await?;
    }
    Ok(())
}
