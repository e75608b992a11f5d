//! Copying and moving an object. Its bytes are shared, and not stored again.

use bytes::Bytes;
use futures::TryStreamExt;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Id};

use super::{
    conditions::Conditions,
    get,
    place::place,
    put::{By, created},
    remove,
};
use crate::{
    ctx::Ctx,
    error::Error,
    events::ObjectDeleted,
    kind,
    store::{
        blobs,
        buckets::{self, BucketRow},
        owners,
        versions::{self, VersionRow},
    },
};

/// Where an object goes to.
pub(crate) struct Target<'a> {
    pub(crate) bucket: &'a BucketRow,
    pub(crate) path: String,
    pub(crate) conditions: Conditions,
}

/// What the first bytes of the source are known to be, where the bucket that it goes to does not take all: what somebody said that they
/// are is no more believed than of what is stored. To be asked before a transaction begins.
///
/// # Errors
/// What the object store says.
pub(crate) async fn sniffed(
    ctx: &Ctx,
    to: &BucketRow,
    source: &VersionRow,
) -> Result<Option<&'static str>, Error> {
    if to.allowed_types.is_empty() {
        return Ok(None);
    }
    let head = source.size.unsigned_abs().min(kind::HEAD as u64);
    let pieces: Vec<Bytes> = match get::open(ctx, source, 0..head).await {
        Ok(bytes) => bytes.try_collect().await?,
        // What is not there or damaged is not copied, for that reason.
        Err(Error::Damaged | Error::Busy(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(kind::sniff(&pieces.concat()))
}

/// Copies a version of what is in `from`; whether there was nothing at the target.
pub(crate) async fn copy(
    ctx: &Ctx,
    actor: &Actor,
    from: &BucketRow,
    source: &VersionRow,
    target: Target<'_>,
) -> Result<(VersionRow, bool), Error> {
    let sniffed = sniffed(ctx, target.bucket, source).await?;
    let mut tx = ctx.db.begin().await?;
    lock(&mut tx, from, target.bucket).await?;
    let (version, is_new) = copied(&mut tx, ctx, (source, sniffed), &target, None).await?;
    created(&mut tx, By::Actor(actor), target.bucket, &version, "object.copy").await?;
    tx.commit().await?;
    Ok((version, is_new))
}

/// Moves the current version of what is in `from`, which was `source` when it was looked at.
pub(crate) async fn relocate(
    ctx: &Ctx,
    actor: &Actor,
    from: &BucketRow,
    source: &VersionRow,
    target: Target<'_>,
) -> Result<(VersionRow, bool), Error> {
    let sniffed = sniffed(ctx, target.bucket, source).await?;
    let mut tx = ctx.db.begin().await?;
    lock(&mut tx, from, target.bucket).await?;
    let (version, is_new) = moved(&mut tx, ctx, from, (source, sniffed), &target).await?;
    created(&mut tx, By::Actor(actor), target.bucket, &version, "object.move").await?;
    let entry = Entry::by(actor, "object.delete", "object", Some(source.object_id.uuid()));
    tx.audit(&entry.owner(from.owner)).await?;
    tx.commit().await?;
    Ok((version, is_new))
}

/// Locks what both have, always in one order.
pub(crate) async fn lock(tx: &mut Tx, from: &BucketRow, to: &BucketRow) -> Result<(), Error> {
    let mut both = [from, to];
    both.sort_by_key(|bucket| (bucket.owner.kind(), bucket.owner.uuid()));
    for bucket in both {
        if !owners::lock(tx, bucket.owner).await? {
            return Err(Error::Erased);
        }
    }
    both.sort_by_key(|bucket| bucket.id.uuid());
    for bucket in both {
        if !buckets::count(tx, bucket.id, 0, 0).await? {
            return Err(Error::NotFound);
        }
    }
    Ok(())
}

/// Makes a version at the target that has the bytes of the source, which are known to be `sniffed`. `object`: the one that it goes on to be, if it was moved.
pub(crate) async fn copied(
    tx: &mut Tx,
    ctx: &Ctx,
    (source, sniffed): (&VersionRow, Option<&str>),
    target: &Target<'_>,
    object: Option<crate::ids::ObjectId>,
) -> Result<(VersionRow, bool), Error> {
    if source.is_damaged {
        return Err(Error::Damaged);
    }
    let bucket = target.bucket;
    if !blobs::share(tx, source.blob_id).await? {
        return Err(Error::NotFound);
    }
    let most = (ctx.config.objects_max, ctx.config.bytes_max);
    if !owners::take(tx, bucket.owner, (1, source.size), most).await? {
        return Err(Error::Quota);
    }
    let new = VersionRow {
        id: Id::new(&ctx.clock),
        bucket_id: bucket.id,
        path: target.path.clone(),
        object_id: object.unwrap_or_else(|| Id::new(&ctx.clock)),
        is_current: true,
        created_at: ctx.clock.now(),
        deleted_at: None,
        purge_at: None,
        ..source.clone()
    };
    place(tx, bucket.id, new, sniffed, &target.conditions).await
}

/// The same, and the source is gone.
pub(crate) async fn moved(
    tx: &mut Tx,
    ctx: &Ctx,
    from: &BucketRow,
    (source, sniffed): (&VersionRow, Option<&str>),
    target: &Target<'_>,
) -> Result<(VersionRow, bool), Error> {
    // Its room is given back before room for it is taken again; its bytes are kept by the version that it becomes.
    let found = versions::find_current(tx, from.id, &source.path).await?;
    if found.is_none_or(|found| found.id != source.id) {
        return Err(Error::NotFound);
    }
    if !blobs::share(tx, source.blob_id).await? {
        return Err(Error::NotFound);
    }
    remove::versions(tx, from.owner, from.id, std::slice::from_ref(source)).await?;
    tx.emit(&ObjectDeleted {
        owner: from.owner,
        bucket_id: from.id,
        bucket: from.name.clone(),
        object_id: source.object_id,
        path: source.path.clone(),
        forever: true,
    })
    .await?;
    let moved = copied(tx, ctx, (source, sniffed), target, Some(source.object_id)).await?;
    blobs::release(tx, source.blob_id).await?;
    Ok(moved)
}
