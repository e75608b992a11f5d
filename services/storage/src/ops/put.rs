//! Storing an object: the bytes first, then one transaction with all that names them.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Id, RequestFacts, Timestamp};

use super::{
    conditions::Conditions,
    intake::{self, Body, Expected, Stored},
    pending::GIVEN_UP,
    place::place,
    revocations::{self, Right},
};
use crate::{
    ctx::Ctx,
    error::Error,
    events::ObjectCreated,
    store::{
        blobs::{self, ChunkRow},
        buckets::BucketRow,
        links::LinkRow,
        owners, pending,
        versions::{self, Metadata, VersionRow},
    },
    uploads::{Caller, Sender},
};

/// Who stores: somebody signed in, or the holder of a link.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// Somebody who is signed in.
    Actor(&'a Actor),
    /// The holder of this link.
    Link(&'a LinkRow, &'a RequestFacts),
}

impl<'a> By<'a> {
    /// Whose uploads are counted together. An owner makes as many links as they like, so those by all of their links are.
    fn sender(self, bucket: &BucketRow) -> Sender {
        match self {
            Self::Actor(actor) => Sender::of(actor),
            Self::Link(_, request) => Sender::new(Caller::Links(bucket.owner.uuid()), request.address),
        }
    }

    fn right(self) -> Right<'a> {
        match self {
            Self::Actor(actor) => Right::Person(actor.user_id),
            Self::Link(link, _) => Right::Link(link),
        }
    }

    fn entry(self, action: &'a str, version: &VersionRow) -> Entry<'a> {
        let object = Some(version.object_id.uuid());
        match self {
            Self::Actor(actor) => Entry::by(actor, action, "object", object),
            Self::Link(link, request) => Entry {
                request_id: Some(&request.request_id),
                address: Some(request.address.to_string().into()),
                ..Entry::new(None, action, "object", object).detail(json!({ "link_id": link.id }))
            },
        }
    }
}

/// What is to be stored.
pub(crate) struct NewObject {
    pub(crate) path: String,
    pub(crate) metadata: Metadata,
    pub(crate) expected: Expected,
    pub(crate) conditions: Conditions,
    /// Whether it becomes a version of its own also where the same is there already.
    pub(crate) is_always_new: bool,
}

/// What came of it.
pub(crate) struct Put {
    pub(crate) version: VersionRow,
    /// Whether there was nothing under the path.
    pub(crate) is_new: bool,
}

/// Stores the body under the path. What is there already as it is, is left as it is, unless it is to be new: so a request that is sent
/// again makes no further version.
///
/// # Errors
/// When the conditions do not hold, and as [`intake::store`].
pub(crate) async fn put(
    ctx: &Ctx,
    by: By<'_>,
    bucket: &BucketRow,
    mut new: NewObject,
    body: Body,
) -> Result<Put, Error> {
    let begun = ctx.clock.now();
    let _upload = ctx.uploads.begin(by.sender(bucket))?;
    let current = versions::current(&ctx.db, bucket.id, &new.path).await?;
    new.conditions.writing(current.as_ref())?;
    let max = bucket.max_object_bytes.unwrap_or(i64::MAX);
    new.expected.max = max.min(ctx.config.object_max_bytes);
    new.expected.allowed_types.clone_from(&bucket.allowed_types);
    let stored = intake::store(ctx, bucket.owner, std::mem::take(&mut new.expected), body).await?;
    metrics::counter!("storage_received_bytes_total").increment(stored.size.unsigned_abs());

    let named = name(ctx, (by, begun), bucket, &new, &stored).await;
    match &named {
        Ok(put) if put.version.blob_id == stored.pending.id => stored.pending.arrived(),
        _ => stored.pending.abandon().await,
    }
    named
}

/// The transaction by which the version has the bytes; none if they are what is current.
async fn name(
    ctx: &Ctx,
    (by, begun): (By<'_>, Timestamp),
    bucket: &BucketRow,
    new: &NewObject,
    stored: &Stored,
) -> Result<Put, Error> {
    let mut tx = ctx.db.begin().await?;
    if !owners::lock(&mut tx, bucket.owner).await? {
        return Err(Error::Erased);
    }
    revocations::still(ctx, &mut tx, by.right(), begun).await?;
    let version = version_of(ctx, bucket, new, stored);
    if let Some(same) = unchanged(&mut tx, &version, new).await? {
        tx.rollback().await;
        return Ok(Put {
            version: same,
            is_new: false,
        });
    }
    commit(tx, by, bucket, new, (stored, version)).await
}

fn version_of(ctx: &Ctx, bucket: &BucketRow, new: &NewObject, stored: &Stored) -> VersionRow {
    VersionRow {
        id: Id::new(&ctx.clock),
        bucket_id: bucket.id,
        path: new.path.clone(),
        object_id: Id::new(&ctx.clock),
        blob_id: stored.pending.id,
        chunks: 1,
        size: stored.size,
        media_type: stored.media_type.clone(),
        etag: hex::encode(stored.md5),
        sha256: Some(stored.sha256.to_vec()),
        metadata: new.metadata.clone(),
        is_damaged: false,
        is_current: true,
        created_at: ctx.clock.now(),
        deleted_at: None,
        purge_at: None,
    }
}

/// What is current, if it is the same as what came.
async fn unchanged(tx: &mut Tx, version: &VersionRow, new: &NewObject) -> Result<Option<VersionRow>, Error> {
    let current = versions::find_current(tx, version.bucket_id, &version.path).await?;
    new.conditions.writing(current.as_ref())?;
    Ok(current.filter(|current| {
        !new.is_always_new
            && current.sha256 == version.sha256
            && current.size == version.size
            && current.media_type == version.media_type
            && current.metadata == version.metadata
            && !current.is_damaged
    }))
}

async fn commit(
    mut tx: Tx,
    by: By<'_>,
    bucket: &BucketRow,
    new: &NewObject,
    (stored, version): (&Stored, VersionRow),
) -> Result<Put, Error> {
    let reserved = pending::arrived(&mut tx, stored.pending.id)
        .await?
        .ok_or(GIVEN_UP)?;
    owners::give(&mut tx, bucket.owner, 0, reserved - stored.size).await?;
    let (version, is_new) = place(&mut tx, bucket.id, version, stored.sniffed, &new.conditions).await?;
    let chunk = ChunkRow {
        id: Id::from_uuid(version.blob_id.uuid()),
        blob_id: version.blob_id,
        position: 0,
        size: version.size,
        sha256: stored.sha256.to_vec(),
        checked_at: version.created_at,
    };
    blobs::insert(&mut tx, &chunk).await?;
    created(&mut tx, by, bucket, &version, "object.create").await?;
    tx.commit().await?;
    Ok(Put { version, is_new })
}

/// What follows from every version that becomes the current one.
pub(crate) async fn created(
    tx: &mut Tx,
    by: By<'_>,
    bucket: &BucketRow,
    version: &VersionRow,
    action: &str,
) -> Result<(), Error> {
    tx.emit(&ObjectCreated {
        owner: bucket.owner,
        bucket_id: bucket.id,
        bucket: bucket.name.clone(),
        object_id: version.object_id,
        version_id: version.id,
        path: version.path.clone(),
        size: version.size,
        media_type: version.media_type.clone(),
    })
    .await?;
    tx.audit(&by.entry(action, version).owner(bucket.owner)).await?;
    Ok(())
}
