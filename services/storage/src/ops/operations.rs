//! Deleting, copying and moving all that is under a prefix: a batch at a time, by a job that goes on where it was.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Timestamp, UserId};

use super::{
    conditions::{Conditions, Tags},
    copy::{self, Target},
    delete,
    list::end_of,
    revocations,
};
use crate::{
    ctx::Ctx,
    error::Error,
    events::ObjectCreated,
    jobs::RunOperation,
    store::{
        buckets::{self, BucketRow},
        operations::{self, OperationRow},
        versions::{self, VersionRow},
    },
};

/// Objects of one transaction: others wait for it.
const BATCH: u32 = 50;
/// How long what was done can be looked at.
const KEEP: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// Begins the operation, unless another one of the bucket runs; for a request that began then.
pub(crate) async fn begin(
    ctx: &Ctx,
    actor: &Actor,
    bucket: &BucketRow,
    (row, begun): (&OperationRow, Timestamp),
) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    revocations::lock(&mut tx, actor.user_id, begun).await?;
    if !buckets::count(&mut tx, bucket.id, 0, 0).await? {
        return Err(Error::NotFound);
    }
    if !operations::insert(&mut tx, row).await? {
        return Err(Error::InProgress);
    }
    tx.enqueue(&RunOperation { operation_id: row.id }).await?;
    let action = format!("objects.{}", row.kind);
    let entry = Entry::by(actor, &action, "bucket", Some(bucket.id.uuid()));
    tx.audit(&entry.owner(bucket.owner)).await?;
    tx.commit().await?;
    Ok(())
}

/// Does the next batch. False if there is nothing left to do.
pub(crate) async fn advance(ctx: &Ctx, seen: &OperationRow) -> Result<Option<OperationRow>, Error> {
    let Some(from) = buckets::by_id(&ctx.db, seen.bucket_id).await? else {
        return Ok(None);
    };
    let to = match seen.to_bucket_id {
        None => None,
        Some(id) => match buckets::by_id(&ctx.db, id).await? {
            Some(to) => Some(to),
            None => return finish(ctx, seen, Some(Error::NotFound)).await,
        },
    };
    let end = end_of(&seen.prefix);
    let rows = versions::range(&ctx.db, from.id, (&seen.position, &end), BATCH).await?;
    let Some(last) = rows.last() else {
        return finish(ctx, seen, None).await;
    };
    let target = to.as_ref().filter(|_| seen.to_prefix.is_some());
    let mut sniffed = Vec::with_capacity(rows.len());
    for row in &rows {
        sniffed.push(match target {
            Some(to) => copy::sniffed(ctx, to, row).await?,
            None => None,
        });
    }
    let mut row = seen.clone();
    row.position = [last.path.as_bytes(), &[0]].concat();
    let mut tx = ctx.db.begin().await?;
    match batch(
        &mut tx,
        ctx,
        (&from, to.as_ref().unwrap_or(&from)),
        (&rows, &sniffed),
        &mut row,
    )
    .await
    {
        Ok(()) => {}
        Err(Error::Db(error)) => return Err(error.into()),
        // What was done stays done, and the rest is left as it is.
        Err(error) => {
            tx.rollback().await;
            return finish(ctx, seen, Some(error)).await;
        }
    }
    if !operations::save(&mut tx, &row, seen).await? {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(row))
}

async fn finish(
    ctx: &Ctx,
    seen: &OperationRow,
    failure: Option<Error>,
) -> Result<Option<OperationRow>, Error> {
    let row = OperationRow {
        failure: failure.map(|failure| failure.to_string()),
        finished_at: Some(ctx.clock.now()),
        ..seen.clone()
    };
    let mut tx = ctx.db.begin().await?;
    operations::save(&mut tx, &row, seen).await?;
    tx.commit().await?;
    Ok(None)
}

async fn batch(
    tx: &mut Tx,
    ctx: &Ctx,
    (from, to): (&BucketRow, &BucketRow),
    (rows, sniffed): (&[VersionRow], &[Option<&str>]),
    operation: &mut OperationRow,
) -> Result<(), Error> {
    copy::lock(tx, from, to).await?;
    for (row, sniffed) in rows.iter().zip(sniffed) {
        // It may have been replaced or deleted meanwhile; what came after the operation began is not meant.
        let current = versions::find_current(tx, from.id, &row.path).await?;
        let same = current.is_some_and(|current| current.id == row.id);
        if same
            && row.created_at <= operation.created_at
            && one(tx, ctx, (from, to), (row, *sniffed), operation).await?
        {
            operation.done += 1;
        } else {
            operation.skipped += 1;
        }
    }
    Ok(())
}

/// False if it was left as it is, because something is at its target.
async fn one(
    tx: &mut Tx,
    ctx: &Ctx,
    (from, to): (&BucketRow, &BucketRow),
    (row, sniffed): (&VersionRow, Option<&str>),
    operation: &OperationRow,
) -> Result<bool, Error> {
    let Some(to_prefix) = &operation.to_prefix else {
        delete::one(tx, ctx, from, row, operation.forever).await?;
        return Ok(true);
    };
    let rest = row.path.get(operation.prefix.len()..).unwrap_or_default();
    let path = crate::path::object(&format!("{to_prefix}{rest}")).map_err(|_| Error::TooLong)?;
    if !operation.overwrite && versions::find_current(tx, to.id, &path).await?.is_some() {
        return Ok(false);
    }
    let conditions = Conditions {
        if_none_match: (!operation.overwrite).then_some(Tags::Any),
        ..Conditions::default()
    };
    let target = Target {
        bucket: to,
        path,
        conditions,
    };
    let (version, _) = if operation.kind == "move" {
        copy::moved(tx, ctx, from, (row, sniffed), &target).await?
    } else {
        copy::copied(tx, ctx, (row, sniffed), &target, None).await?
    };
    tx.emit(&ObjectCreated {
        owner: to.owner,
        bucket_id: to.id,
        bucket: to.name.clone(),
        object_id: version.object_id,
        version_id: version.id,
        path: version.path,
        size: version.size,
        media_type: version.media_type,
    })
    .await?;
    Ok(true)
}

/// Ends the operations that this person began until then; what was done by then stays done.
pub(crate) async fn stop_begun_by(ctx: &Ctx, user: UserId, until: Timestamp) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let (why, now) = (Error::Revoked.to_string(), ctx.clock.now());
        let stopped = operations::stop_made_by(&mut tx, user, until, (&why, now), super::BATCH).await?;
        for row in &stopped {
            let mut entry = Entry::new(None, "objects.stop", "bucket", Some(row.bucket_id.uuid()));
            if let Some(bucket) = buckets::find(&mut tx, row.bucket_id).await? {
                entry = entry.owner(bucket.owner);
            }
            let detail = json!({ "operation_id": row.id, "reason": super::REVOKED });
            tx.audit(&entry.detail(detail)).await?;
        }
        tx.commit().await?;
        if stopped.len() < super::BATCH as usize {
            return Ok(());
        }
    }
}

/// Deletes what is known of operations that were finished long ago.
pub(crate) async fn purge(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    let Ok(before) = now.checked_sub(KEEP) else {
        return Ok(());
    };
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = operations::delete_finished(&mut tx, before, super::BATCH).await?;
        tx.commit().await?;
        if deleted < u64::from(super::BATCH) {
            return Ok(());
        }
    }
}
