//! The events that storage emits, and what it does on those of others.

use serde::{Deserialize, Serialize};
use stoa_auth_api::events::{
    CredentialsRevoked, OrganizationDeleted, OrganizationPurged, OrganizationRestored, UserErased,
};
use stoa_events::{Done, Event, JobError, Subscription, Work};
use stoa_kernel::{OrganizationId, Owner};

pub use crate::ids::{BlobId, BucketId, ObjectId, VersionId};
use crate::{ctx::Ctx, jobs::LONG, ops};

/// A bucket was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "bucket.created", key = "bucket:{bucket_id}")]
pub struct BucketCreated {
    /// The person or organization that has it.
    pub owner: Owner,
    /// The new bucket.
    pub bucket_id: BucketId,
    /// Its name.
    pub name: String,
}

/// The settings of a bucket were changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "bucket.updated", key = "bucket:{bucket_id}")]
pub struct BucketUpdated {
    /// The person or organization that has it.
    pub owner: Owner,
    /// Which.
    pub bucket_id: BucketId,
    /// Its name.
    pub name: String,
}

/// A bucket was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "bucket.deleted", key = "bucket:{bucket_id}")]
pub struct BucketDeleted {
    /// The person or organization that had it.
    pub owner: Owner,
    /// Which.
    pub bucket_id: BucketId,
    /// Its name.
    pub name: String,
}

/// An object was stored, or a new version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "object.created", key = "object:{object_id}")]
pub struct ObjectCreated {
    /// The person or organization that has it.
    pub owner: Owner,
    /// The bucket that it is in.
    pub bucket_id: BucketId,
    /// The bucket's name.
    pub bucket: String,
    /// The object.
    pub object_id: ObjectId,
    /// This version of it.
    pub version_id: VersionId,
    /// Its path in the bucket.
    pub path: String,
    /// Its size in bytes.
    pub size: i64,
    /// Its media type.
    pub media_type: String,
}

/// An object was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "object.deleted", key = "object:{object_id}")]
pub struct ObjectDeleted {
    /// The person or organization that had it.
    pub owner: Owner,
    /// The bucket that it was in.
    pub bucket_id: BucketId,
    /// The bucket's name.
    pub bucket: String,
    /// The object.
    pub object_id: ObjectId,
    /// Its path in the bucket.
    pub path: String,
    /// Whether it cannot be restored.
    pub forever: bool,
}

/// Stored bytes were found not to match their checksum any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "bytes.damaged", key = "blob:{blob_id}")]
pub struct BytesDamaged {
    /// Which; its versions are not handed out any more.
    pub blob_id: BlobId,
}

pub(crate) fn subscriptions(ctx: &Ctx) -> Vec<Subscription> {
    vec![
        Subscription::new("storage.erase_user", erase_user),
        // Somebody may have made many links.
        Subscription::with("storage.revoke_access_keys", ctx, revoke_credentials).deadline(LONG),
        Subscription::new("storage.erase_organization", erase_organization),
        Subscription::with("storage.suspend_organization", ctx, suspend_organization),
        Subscription::with("storage.restore_organization", ctx, restore_organization),
    ]
}

async fn erase_user(work: Work<UserErased>) -> Result<Done, JobError> {
    let owner = work.payload().user_id.into();
    erase(work, owner).await
}

async fn revoke_credentials(ctx: Ctx, work: Work<CredentialsRevoked>) -> Result<Done, JobError> {
    ops::revocations::revoke(&ctx, work.payload().user_id, work.time()).await?;
    work.done().await
}

async fn erase_organization(work: Work<OrganizationPurged>) -> Result<Done, JobError> {
    let owner = work.payload().organization_id.into();
    erase(work, owner).await
}

async fn erase<E>(work: Work<E>, owner: Owner) -> Result<Done, JobError> {
    let mut tx = work.begin().await?;
    ops::erasure::erase(&mut tx, owner).await?;
    work.commit(tx).await
}

async fn suspend_organization(ctx: Ctx, work: Work<OrganizationDeleted>) -> Result<Done, JobError> {
    suspend(&ctx, work.payload().organization_id, true).await?;
    work.done().await
}

async fn restore_organization(ctx: Ctx, work: Work<OrganizationRestored>) -> Result<Done, JobError> {
    suspend(&ctx, work.payload().organization_id, false).await?;
    work.done().await
}

async fn suspend(ctx: &Ctx, organization: OrganizationId, is_suspended: bool) -> Result<(), JobError> {
    Ok(ops::erasure::suspend(ctx, organization.into(), is_suspended).await?)
}
