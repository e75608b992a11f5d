//! Who reaches a bucket and what is in it. What somebody may not see is not found by them.

use stoa_kernel::{Action, Principal, Resource};

use crate::{
    ctx::Ctx,
    error::Error,
    store::{
        buckets::{self, BucketRow},
        versions::VersionRow,
    },
};

/// Kind of resource that grants on a whole bucket name.
pub(crate) const BUCKET: &str = "bucket";
/// Kind of resource that grants on one object name.
pub(crate) const OBJECT: &str = "object";

/// How far somebody reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The bucket, and so all that is in it.
    Bucket,
    /// The bucket's objects, if they are granted one by one.
    Granted,
}

/// The bucket of this name, if there is one.
///
/// # Errors
/// When there is none.
pub(crate) async fn bucket(ctx: &Ctx, name: &str) -> Result<BucketRow, Error> {
    buckets::get(&ctx.db, name).await?.ok_or(Error::NotFound)
}

/// How far the caller reaches into the bucket with an action.
///
/// # Errors
/// When auth has to be asked and does not answer.
pub(crate) async fn into(
    ctx: &Ctx,
    principal: &Principal,
    action: Action<'_>,
    bucket: &BucketRow,
) -> Result<Reach, Error> {
    let resource = Resource::owned(BUCKET, bucket.id.uuid(), bucket.owner);
    let decision = ctx.access.allow(principal, action, &resource).await?;
    Ok(if decision.allowed {
        Reach::Bucket
    } else {
        Reach::Granted
    })
}

/// Whether the caller may do the action to this one object, by a grant on it.
///
/// # Errors
/// As [`into`].
pub(crate) async fn is_granted(
    ctx: &Ctx,
    principal: &Principal,
    action: Action<'_>,
    bucket: &BucketRow,
    version: &VersionRow,
) -> Result<bool, Error> {
    let resource = Resource::owned(OBJECT, version.object_id.uuid(), bucket.owner);
    Ok(ctx.access.allow(principal, action, &resource).await?.allowed)
}
