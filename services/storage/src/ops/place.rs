//! Making a version the current one under its path.

use stoa_db::Tx;
use stoa_events::TxExt as _;

use super::conditions::Conditions;
use crate::{
    error::Error,
    ids::BucketId,
    jobs::DeleteBlobs,
    kind,
    store::{
        blobs,
        buckets::{self, BucketRow},
        owners,
        versions::{self, VersionRow},
    },
};

/// Writes the version, in place of the one that is current: an older version then, or deleted where the bucket keeps none. The owner's
/// row is locked and has the room already. `sniffed` is what its first bytes are known to be. Returns the version, and whether there
/// was none under its path.
///
/// # Errors
/// When the bucket is gone or does not take it, or the conditions do not hold any more.
pub(crate) async fn place(
    tx: &mut Tx,
    bucket: BucketId,
    mut new: VersionRow,
    sniffed: Option<&str>,
    conditions: &Conditions,
) -> Result<(VersionRow, bool), Error> {
    // Locks the bucket, so that nobody else changes what is current, and tells how it is now: the body may have come for hours.
    let bucket = buckets::counted(tx, bucket, 1, new.size).await?;
    let bucket = &bucket.ok_or(Error::NotFound)?;
    takes(bucket, &new, sniffed)?;
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

/// Whether the bucket takes the version.
fn takes(bucket: &BucketRow, new: &VersionRow, sniffed: Option<&str>) -> Result<(), Error> {
    if let Some(max) = bucket.max_object_bytes.filter(|max| new.size > *max) {
        return Err(Error::TooLarge(max));
    }
    for found in [Some(&*new.media_type), sniffed].into_iter().flatten() {
        if !kind::is_allowed(&bucket.allowed_types, found) {
            return Err(Error::Type(found.to_owned()));
        }
    }
    Ok(())
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
