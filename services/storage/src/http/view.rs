//! What callers are shown.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use stoa_kernel::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ids::{BucketId, ObjectId, VersionId},
    store::{
        buckets::BucketRow,
        owners::Usage,
        versions::{Metadata, VersionRow},
    },
};

/// What in a path stands for something else than itself.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Where an object is.
pub(super) fn url(bucket: &str, path: &str) -> String {
    format!("/api/v1/storage/{bucket}/{}", utf8_percent_encode(path, IN_PATH))
}

/// A bucket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageBucket {
    #[schema(value_type = String, format = Uuid)]
    id: BucketId,
    name: String,
    /// `user` or `organization`.
    owner_kind: &'static str,
    owner_id: Uuid,
    /// Whether anybody may read what is in it.
    public: bool,
    /// Whether a replaced object is kept as an older version.
    versioning: bool,
    /// Largest object, in bytes; null: as the installation says.
    #[schema(required)]
    max_object_bytes: Option<i64>,
    /// Media types that are taken; empty for all.
    allowed_types: Vec<String>,
    /// How many versions are in it, deleted ones included.
    objects: i64,
    /// The bytes of all of them.
    bytes: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<BucketRow> for StorageBucket {
    fn from(row: BucketRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            owner_kind: row.owner.kind(),
            owner_id: row.owner.uuid(),
            public: row.is_public,
            versioning: row.is_versioned,
            max_object_bytes: row.max_object_bytes,
            allowed_types: row.allowed_types,
            objects: row.objects,
            bytes: row.bytes,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// An object, in one of its versions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageObject {
    /// The same for all versions, until the object is deleted.
    #[schema(value_type = String, format = Uuid)]
    id: ObjectId,
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
    bucket: String,
    path: String,
    /// Where it is, relative to this server.
    url: String,
    /// In bytes.
    size: i64,
    media_type: String,
    /// As the header ETag, without the quotes. The MD5 of the bytes, but for what was put together of parts.
    etag: String,
    /// The SHA-256 of the bytes, hexadecimal; null for what was put together of parts.
    #[schema(required)]
    sha256: Option<String>,
    /// What the uploader said of it: the headers that began with x-meta-.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    metadata: Metadata,
    /// Whether it is what is stored under the path now.
    current: bool,
    created_at: Timestamp,
    /// When it was deleted, and until when it can be restored.
    #[schema(required)]
    deleted_at: Option<Timestamp>,
    #[schema(required)]
    purge_at: Option<Timestamp>,
}

impl StorageObject {
    pub(super) fn of(bucket: &str, row: VersionRow) -> Self {
        Self {
            id: row.object_id,
            version_id: row.id,
            bucket: bucket.to_owned(),
            url: url(bucket, &row.path),
            path: row.path,
            size: row.size,
            media_type: row.media_type,
            etag: row.etag,
            sha256: row.sha256.map(hex::encode),
            // What is kept of other headers is said by headers only.
            metadata: row
                .metadata
                .into_iter()
                .filter(|(name, _)| !name.starts_with(':'))
                .collect(),
            current: row.is_current,
            created_at: row.created_at,
            deleted_at: row.deleted_at,
            purge_at: row.purge_at,
        }
    }
}

/// What somebody uses, and what they may.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageUsage {
    buckets: i64,
    buckets_max: i64,
    /// Versions, deleted ones included, and uploads under way.
    objects: i64,
    objects_max: i64,
    /// The bytes of all of them.
    bytes: i64,
    bytes_max: i64,
}

impl StorageUsage {
    pub(super) fn of(usage: Usage, config: &crate::StorageConfig) -> Self {
        Self {
            buckets: usage.buckets,
            buckets_max: config.buckets_max,
            objects: usage.objects,
            objects_max: config.objects_max,
            bytes: usage.bytes,
            bytes_max: config.bytes_max,
        }
    }
}
