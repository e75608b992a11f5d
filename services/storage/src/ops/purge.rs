//! Deleting for good what can be restored no more.

use std::collections::BTreeMap;

use stoa_kernel::Timestamp;

use super::{BATCH, remove};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::BucketId,
    store::{
        buckets, owners,
        versions::{self, VersionRow},
    },
};

/// Deletes versions whose time is over, and with each the older versions of the same object, unless that is there again.
pub(crate) async fn purge(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    while batch(ctx, now).await? > 0 {}
    Ok(())
}

/// How many it has deleted.
async fn batch(ctx: &Ctx, now: Timestamp) -> Result<u64, Error> {
    let mut by_bucket: BTreeMap<_, Vec<VersionRow>> = BTreeMap::new();
    for row in versions::due(&ctx.db, now, BATCH).await? {
        by_bucket.entry(row.bucket_id.uuid()).or_default().push(row);
    }
    let mut count = 0;
    for rows in by_bucket.into_values() {
        if let Some(first) = rows.first() {
            count += of_bucket(ctx, first.bucket_id, &rows, now).await?;
        }
    }
    Ok(count)
}

async fn of_bucket(ctx: &Ctx, bucket: BucketId, rows: &[VersionRow], now: Timestamp) -> Result<u64, Error> {
    let mut tx = ctx.db.begin().await?;
    let Some(bucket) = buckets::find(&mut tx, bucket).await? else {
        return Ok(0);
    };
    owners::lock(&mut tx, bucket.owner).await?;
    let mut gone = Vec::new();
    for seen in rows {
        let left = BATCH.saturating_sub(u32::try_from(gone.len()).unwrap_or(BATCH));
        if left == 0 {
            break;
        }
        // It may have been restored since it was looked up.
        let row = versions::find(&mut tx, seen.id).await?;
        let Some(row) = row.filter(|row| row.purge_at.is_some_and(|at| at <= now)) else {
            continue;
        };
        // Where an older version was restored, they are those of an object that is there.
        if !versions::is_there(&mut tx, row.object_id).await? {
            gone.extend(versions::leftovers(&mut tx, &row, left).await?);
        }
        // With more of them it is for the next batch.
        if gone.len() < BATCH as usize {
            gone.push(row);
        }
    }
    let count = remove::versions(&mut tx, bucket.owner, bucket.id, &gone).await?;
    tx.commit().await?;
    Ok(count)
}
