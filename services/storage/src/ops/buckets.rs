//! Making, changing and deleting buckets.

use stoa_audit::{Entry, TxExt as _};
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Expected, Id, Owner};

use crate::{
    ctx::Ctx,
    error::Error,
    events::{BucketCreated, BucketDeleted, BucketUpdated},
    jobs::DiscardUploads,
    store::{
        buckets::{self, BucketRow},
        links, operations, owners, uploads,
    },
};

/// What of a bucket can be chosen; what is not given stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    pub(crate) is_public: Option<bool>,
    pub(crate) is_versioned: Option<bool>,
    pub(crate) max_object_bytes: Option<Option<i64>>,
    pub(crate) allowed_types: Option<Vec<String>>,
}

impl Choices {
    fn of(self, row: &mut BucketRow) {
        row.is_public = self.is_public.unwrap_or(row.is_public);
        row.is_versioning_set |= self.is_versioned.is_some();
        row.is_versioned = self.is_versioned.unwrap_or(row.is_versioned);
        row.max_object_bytes = self.max_object_bytes.unwrap_or(row.max_object_bytes);
        if let Some(types) = self.allowed_types {
            row.allowed_types = types;
        }
    }
}

/// Makes a bucket of the owner.
pub(crate) async fn create(
    ctx: &Ctx,
    actor: &Actor,
    owner: Owner,
    name: String,
    choices: Choices,
) -> Result<BucketRow, Error> {
    let now = ctx.clock.now();
    let mut row = BucketRow {
        id: Id::new(&ctx.clock),
        name,
        owner,
        is_public: false,
        is_versioned: false,
        is_versioning_set: false,
        max_object_bytes: None,
        allowed_types: Vec::new(),
        objects: 0,
        bytes: 0,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    choices.of(&mut row);
    row.is_versioning_set = row.is_versioned;
    let max = ctx.config.buckets_max;
    let mut tx = ctx.db.begin().await?;
    if !owners::lock(&mut tx, owner).await? {
        return Err(Error::Erased);
    }
    if !owners::take_bucket(&mut tx, owner, max).await? {
        return Err(Error::BucketsFull(max));
    }
    if !buckets::insert(&mut tx, &row).await? {
        return Err(Error::NameTaken);
    }
    let entry = Entry::by(actor, "bucket.create", "bucket", Some(row.id.uuid()));
    tx.audit(&entry.owner(owner)).await?;
    tx.emit(&BucketCreated {
        owner,
        bucket_id: row.id,
        name: row.name.clone(),
    })
    .await?;
    tx.commit().await?;
    Ok(row)
}

/// Changes a bucket that was `seen`, if it is one of the expected versions.
pub(crate) async fn update(
    ctx: &Ctx,
    actor: &Actor,
    mut seen: BucketRow,
    choices: Choices,
    expected: &Expected,
) -> Result<BucketRow, Error> {
    let mut tx = ctx.db.begin().await?;
    let row = loop {
        if !expected.allows(seen.version) {
            return Err(Error::Precondition);
        }
        let mut row = seen.clone();
        choices.clone().of(&mut row);
        row.version = seen.version + 1;
        row.updated_at = ctx.clock.now();
        if buckets::save(&mut tx, &row, seen.version).await? {
            break row;
        }
        seen = buckets::find(&mut tx, seen.id).await?.ok_or(Error::NotFound)?;
    };
    let entry = Entry::by(actor, "bucket.update", "bucket", Some(row.id.uuid()));
    tx.audit(&entry.owner(row.owner)).await?;
    tx.emit(&BucketUpdated {
        owner: row.owner,
        bucket_id: row.id,
        name: row.name.clone(),
    })
    .await?;
    tx.commit().await?;
    Ok(row)
}

/// Deletes a bucket, if nothing is in it.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor, bucket: &BucketRow) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    owners::lock(&mut tx, bucket.owner).await?;
    if !buckets::delete(&mut tx, bucket.id).await? {
        return match buckets::find(&mut tx, bucket.id).await? {
            Some(_) => Err(Error::NotEmpty),
            None => Err(Error::NotFound),
        };
    }
    operations::delete_of(&mut tx, bucket.id).await?;
    links::delete_of(&mut tx, bucket.id).await?;
    if uploads::any_of_bucket(&mut tx, bucket.id).await? {
        let bucket_id = bucket.id;
        tx.enqueue(&DiscardUploads { bucket_id }).await?;
    }
    owners::give_bucket(&mut tx, bucket.owner).await?;
    let entry = Entry::by(actor, "bucket.delete", "bucket", Some(bucket.id.uuid()));
    tx.audit(&entry.owner(bucket.owner)).await?;
    tx.emit(&BucketDeleted {
        owner: bucket.owner,
        bucket_id: bucket.id,
        name: bucket.name.clone(),
    })
    .await?;
    tx.commit().await?;
    Ok(())
}
