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

/// Deletes versions whose time is over, and with each the older versions of the same object.
pub(crate) async fn purge(ctx: &Ctx) -> Result<(), Error> {
    let now = ctx.db.steady_now().await;
    while batch(ctx, now).await? == BATCH as usize {}
    Ok(())
}

async fn batch(ctx: &Ctx, now: Timestamp) -> Result<usize, Error> {
    let due = versions::due(&ctx.db, now, BATCH).await?;
    let count = due.len();
    let mut by_bucket: BTreeMap<_, Vec<VersionRow>> = BTreeMap::new();
    for row in due {
        by_bucket.entry(row.bucket_id.uuid()).or_default().push(row);
    }
    for rows in by_bucket.into_values() {
        if let Some(first) = rows.first() {
            of_bucket(ctx, first.bucket_id, &rows).await?;
        }
    }
    Ok(count)
}

async fn of_bucket(ctx: &Ctx, bucket: BucketId, rows: &[VersionRow]) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    let Some(bucket) = buckets::find(&mut tx, bucket).await? else {
        return Ok(());
    };
    owners::lock(&mut tx, bucket.owner).await?;
    for row in rows {
        let older = versions::leftovers(&mut tx, row, BATCH).await?;
        remove::versions(&mut tx, bucket.owner, bucket.id, &older).await?;
        // With more of them it is for the next batch.
        if older.len() < BATCH as usize {
            remove::versions(&mut tx, bucket.owner, bucket.id, std::slice::from_ref(row)).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}
