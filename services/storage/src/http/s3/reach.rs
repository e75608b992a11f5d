//! What a caller reaches by S3. Somebody who signed finds what they may not see as little as by the API; a stranger learns only that
//! they are refused.

use axum::http::header;
use stoa_kernel::{Action, Actor};

use super::{
    Call,
    caller::Holder,
    error::{Result, S3Error},
};
use crate::{
    error::Error,
    http::scopes::{BucketsRead, ObjectsRead, ObjectsWrite},
    ids::VersionId,
    ops::reach::{self, Reach},
    store::{
        buckets::BucketRow,
        versions::{self, VersionRow},
    },
};

/// The header that says whose the request's bucket is to be.
const OWNER: &str = "x-amz-expected-bucket-owner";
/// The same of the bucket that is copied from.
const SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";
/// What a caller is answered whose bucket is somebody else's than they said.
pub(super) const OTHER_OWNER: &str = "The bucket is not that of the expected owner";

/// Which version a request names; `null` is the only one of a bucket that keeps none.
pub(super) fn version_of(text: Option<&str>) -> Result<Option<VersionId>> {
    match text {
        None | Some("null" | "") => Ok(None),
        Some(text) => {
            let id = text
                .parse()
                .map_err(|_| S3Error::invalid("versionId is no version"))?;
            Ok(Some(id))
        }
    }
}

impl Call<'_> {
    /// The bucket of this name, if the caller may do the action to all of it.
    pub(super) async fn bucket_for(&self, name: &str, action: Action<'_>) -> Result<BucketRow> {
        let holder = self.signed()?;
        let bucket = self.known(holder, name).await?;
        if self.reaches(&holder.actor, action, &bucket).await? {
            return self.expected(OWNER, bucket);
        }
        Err(self.refused(&holder.actor, &bucket).await?)
    }

    /// The bucket, which the caller may see, if it is whose they say.
    fn expected(&self, header: &str, bucket: BucketRow) -> Result<BucketRow> {
        match self.request.header(header)? {
            Some(id) if id != bucket.owner.uuid().to_string() => {
                Err(S3Error::new(403, "AccessDenied", OTHER_OWNER))
            }
            _ => Ok(bucket),
        }
    }

    /// The request's bucket, if the caller may do the action to all of it.
    pub(super) async fn bucket(&self, action: Action<'_>) -> Result<BucketRow> {
        let name = self.request.bucket.as_deref().unwrap_or_default();
        self.bucket_for(name, action).await
    }

    /// What is stored under the path, if the caller may read it.
    pub(super) async fn readable(
        &self,
        name: &str,
        path: &str,
        id: Option<VersionId>,
    ) -> Result<(BucketRow, VersionRow)> {
        let (bucket, version) = self.read(name, path, id).await?;
        Ok((self.expected(OWNER, bucket)?, version))
    }

    /// The same of what is copied.
    pub(super) async fn source(
        &self,
        name: &str,
        path: &str,
        id: Option<VersionId>,
    ) -> Result<(BucketRow, VersionRow)> {
        let (bucket, version) = self.read(name, path, id).await?;
        Ok((self.expected(SOURCE_OWNER, bucket)?, version))
    }

    async fn read(&self, name: &str, path: &str, id: Option<VersionId>) -> Result<(BucketRow, VersionRow)> {
        let Some(holder) = &self.holder else {
            return self.public(name, path, id).await;
        };
        let bucket = self.known(holder, name).await?;
        let version = self.version(&bucket, path, id).await?;
        if self.reaches(&holder.actor, ObjectsRead::ACTION, &bucket).await? {
            return Ok((bucket, version.ok_or_else(|| missing(id))?));
        }
        let version = version.filter(|version| version.deleted_at.is_none());
        if bucket.is_public {
            return Ok((bucket, version.ok_or_else(|| missing(id))?));
        }
        if let Some(version) = version
            && reach::is_granted(self.ctx, &holder.actor, ObjectsRead::ACTION, &bucket, &version).await?
        {
            return Ok((bucket, version));
        }
        Err(self.refused(&holder.actor, &bucket).await?)
    }

    /// The same for a stranger.
    async fn public(&self, name: &str, path: &str, id: Option<VersionId>) -> Result<(BucketRow, VersionRow)> {
        let bucket = match reach::bucket(self.ctx, name).await {
            Ok(bucket) if bucket.is_public => bucket,
            Ok(_) | Err(Error::NotFound) => return Err(S3Error::denied()),
            Err(error) => return Err(error.into()),
        };
        let version = self.version(&bucket, path, id).await?;
        let version = version.filter(|version| version.deleted_at.is_none());
        Ok((bucket, version.ok_or_else(|| missing(id))?))
    }

    /// The bucket, if the caller may write what is under the path: all of it, or by a grant on that object alone.
    pub(super) async fn writable(&self, name: &str, path: &str) -> Result<BucketRow> {
        let holder = self.signed()?;
        let bucket = self.known(holder, name).await?;
        if self.reaches(&holder.actor, ObjectsWrite::ACTION, &bucket).await? {
            return self.expected(OWNER, bucket);
        }
        if let Some(version) = versions::current(&self.ctx.db, bucket.id, path).await?
            && reach::is_granted(self.ctx, &holder.actor, ObjectsWrite::ACTION, &bucket, &version).await?
        {
            return self.expected(OWNER, bucket);
        }
        Err(self.refused(&holder.actor, &bucket).await?)
    }

    /// What a write is answered that failed: where it asked for an object as it is and there is none, that is why.
    pub(super) async fn explained(
        &self,
        error: impl Into<S3Error>,
        bucket: &BucketRow,
        path: &str,
    ) -> S3Error {
        let error = error.into();
        if error.code != "PreconditionFailed" || self.request.headers.contains_key(header::IF_NONE_MATCH) {
            return error;
        }
        match versions::current(&self.ctx.db, bucket.id, path).await {
            Ok(None) => S3Error::no_key(),
            Ok(Some(_)) => error,
            Err(error) => error.into(),
        }
    }

    /// The bucket that a key may name.
    async fn known(&self, holder: &Holder, name: &str) -> Result<BucketRow> {
        if !holder.is_for(name) {
            return Err(S3Error::denied());
        }
        match reach::bucket(self.ctx, name).await {
            Err(Error::NotFound) => Err(S3Error::no_bucket()),
            found => Ok(found?),
        }
    }

    async fn reaches(&self, actor: &Actor, action: Action<'_>, bucket: &BucketRow) -> Result<bool> {
        Ok(reach::into(self.ctx, actor, action, bucket).await? == Reach::Bucket)
    }

    /// Why they may not, as far as they may know of the bucket.
    async fn refused(&self, actor: &Actor, bucket: &BucketRow) -> Result<S3Error> {
        let sees = bucket.is_public
            || self.reaches(actor, BucketsRead::ACTION, bucket).await?
            || self.reaches(actor, ObjectsRead::ACTION, bucket).await?;
        Ok(if sees {
            S3Error::denied()
        } else {
            S3Error::no_bucket()
        })
    }

    async fn version(
        &self,
        bucket: &BucketRow,
        path: &str,
        id: Option<VersionId>,
    ) -> Result<Option<VersionRow>> {
        Ok(match id {
            None => versions::current(&self.ctx.db, bucket.id, path).await?,
            Some(id) => versions::get(&self.ctx.db, bucket.id, path, id).await?,
        })
    }
}

fn missing(id: Option<VersionId>) -> S3Error {
    match id {
        None => S3Error::no_key(),
        Some(_) => S3Error::new(404, "NoSuchVersion", "The version does not exist"),
    }
}
