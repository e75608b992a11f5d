//! Beginning an upload in parts.

use stoa_kernel::{Id, Owner, Timestamp, UserId};

use super::digests::Digests;
use crate::{
    ctx::Ctx,
    error::Error,
    kind,
    store::{
        buckets::{self, BucketRow},
        owners,
        uploads::{self, UploadRow},
        versions::Metadata,
    },
};

/// What is to be uploaded.
pub(crate) struct NewUpload<'a> {
    /// `tus` or `s3`.
    pub(crate) protocol: &'static str,
    /// Where the object is to be; none for a piece of one, which is joined with others.
    pub(crate) target: Option<(&'a BucketRow, String)>,
    /// Whose room it takes up: the bucket's owner's, where there is a target.
    pub(crate) owner: Owner,
    pub(crate) metadata: Metadata,
    pub(crate) media_type: Option<String>,
    pub(crate) note: Option<String>,
    /// Its bytes in all, where they are known: room for them is taken at once.
    pub(crate) length: Option<i64>,
    /// Whether its parts come one after the other, so that they are hashed as one.
    pub(crate) is_sequential: bool,
}

/// Begins an upload for the user.
///
/// # Errors
/// When there is no room, it is too large or of a type that the bucket does not take, or the bucket is gone.
pub(crate) async fn begin(ctx: &Ctx, user_id: UserId, new: NewUpload<'_>) -> Result<UploadRow, Error> {
    let bucket = new.target.as_ref().map(|(bucket, _)| *bucket);
    let max = most(ctx, bucket);
    if new.length.is_some_and(|length| length > max) {
        return Err(Error::TooLarge(max));
    }
    if let (Some(bucket), Some(declared)) = (bucket, &new.media_type)
        && !kind::is_allowed(&bucket.allowed_types, declared)
    {
        return Err(Error::Type(declared.clone()));
    }
    let row = row_of(ctx, user_id, new);
    let mut tx = ctx.db.begin().await?;
    if !owners::lock(&mut tx, row.owner).await? {
        return Err(Error::Erased);
    }
    // It is seen to by whatever deletes the bucket from now on.
    if let Some(bucket) = row.bucket_id
        && !buckets::count(&mut tx, bucket, 0, 0).await?
    {
        return Err(Error::NotFound);
    }
    if !owners::take_upload(&mut tx, row.owner, ctx.config.unfinished_max).await? {
        return Err(Error::UploadsFull(ctx.config.unfinished_max));
    }
    let most = (ctx.config.objects_max, ctx.config.bytes_max);
    if !owners::take(&mut tx, row.owner, (1, row.reserved), most).await? {
        return Err(Error::Quota);
    }
    uploads::insert(&mut tx, &row).await?;
    tx.commit().await?;
    Ok(row)
}

pub(crate) fn row_of(ctx: &Ctx, user_id: UserId, new: NewUpload<'_>) -> UploadRow {
    let now = ctx.clock.now();
    let (bucket_id, path) = new.target.map(|(bucket, path)| (bucket.id, path)).unzip();
    UploadRow {
        id: Id::new(&ctx.clock),
        owner: new.owner,
        user_id,
        bucket_id,
        path,
        protocol: new.protocol.to_owned(),
        state: uploads::OPEN.to_owned(),
        metadata: new.metadata,
        media_type: new.media_type,
        note: new.note,
        length: new.length,
        received: 0,
        reserved: new.length.unwrap_or(0),
        numbered: 0,
        digests: new.is_sequential.then(|| Digests::default().state()),
        writer: None,
        writer_at: None,
        outcome: None,
        created_at: now,
        expires_at: expiry(ctx, now),
    }
}

/// Until when an upload is kept of which something came now.
pub(crate) fn expiry(ctx: &Ctx, now: Timestamp) -> Timestamp {
    now.checked_add(ctx.config.unfinished_keep.0)
        .unwrap_or(Timestamp::MAX)
}

/// The largest object of the bucket.
pub(crate) fn most(ctx: &Ctx, bucket: Option<&BucketRow>) -> i64 {
    let max = bucket.and_then(|bucket| bucket.max_object_bytes);
    max.unwrap_or(i64::MAX).min(ctx.config.object_max_bytes)
}
