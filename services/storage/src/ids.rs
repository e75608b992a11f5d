//! Ids of what is kept here.

use stoa_kernel::Id;

/// Label of a bucket's id.
pub enum BucketTag {}
/// Names a bucket.
pub type BucketId = Id<BucketTag>;

/// Label of an object's id.
pub enum ObjectTag {}
/// Names an object, from its making to its deletion.
pub type ObjectId = Id<ObjectTag>;

/// Label of a version's id.
pub enum VersionTag {}
/// Names a version of an object.
pub type VersionId = Id<VersionTag>;

/// Label of an access key's id.
pub(crate) enum AccessKeyTag {}
/// Names an access key.
pub(crate) type AccessKeyId = Id<AccessKeyTag>;

/// Label of a link's id.
pub(crate) enum LinkTag {}
/// Names a link.
pub(crate) type LinkId = Id<LinkTag>;

/// Label of an operation's id.
pub(crate) enum OperationTag {}
/// Names something that is done to all objects under a prefix.
pub(crate) type OperationId = Id<OperationTag>;

/// Label of a blob's id.
pub enum BlobTag {}
/// Names stored bytes.
pub type BlobId = Id<BlobTag>;

/// Label of a chunk's id.
pub(crate) enum ChunkTag {}
/// Names a piece of stored bytes.
pub(crate) type ChunkId = Id<ChunkTag>;

/// Label of an upload's id.
pub(crate) enum UploadTag {}
/// Names an upload in parts.
pub(crate) type UploadId = Id<UploadTag>;

/// Label of a reading's id.
pub(crate) enum ReadingTag {}
/// Names a download under way.
pub(crate) type ReadingId = Id<ReadingTag>;
