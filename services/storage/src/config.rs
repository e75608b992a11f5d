//! Section `[storage]` of the settings.

use serde::{Deserialize, Serialize};
use stoa_kernel::{Period, Rate};

/// What can be set; the defaults stand in `defaults.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// Buckets that one owner may have.
    pub buckets_max: i64,
    /// Objects that one owner may have; each version counts.
    pub objects_max: i64,
    /// Bytes that one owner may have.
    pub bytes_max: i64,
    /// Largest object, in bytes.
    pub object_max_bytes: i64,
    /// Uploads of one caller at once.
    pub uploads_per_caller: usize,
    /// Uploads of one network at once.
    pub uploads_per_network: usize,
    /// Uploads in this process at once.
    pub uploads_max: usize,
    /// How long an upload may bring nothing.
    pub upload_abandoned: Period,
    /// Uploads in parts that one owner may have under way.
    pub unfinished_max: i64,
    /// How long an upload in parts is kept of which nothing comes.
    pub unfinished_keep: Period,
    /// How long a deleted object can be restored.
    pub keep_deleted: Period,
    /// How long bytes are kept for downloads under way.
    pub reading_keep: Period,
    /// How long caches may keep what is public.
    pub public_max_age: Period,
    /// How often everything stored is compared with its checksum.
    pub verify_every: Period,
    /// Sides that renditions may have; empty for any.
    pub rendition_sides: Vec<u32>,
    /// Longest side that is made, in pixels.
    pub rendition_max_side: u32,
    /// Longest side of a picture of which renditions are made, in pixels.
    pub rendition_source_side: u32,
    /// Largest file of which renditions are made, in bytes.
    pub rendition_source_bytes: i64,
    /// Memory that pictures may take up while renditions are made, all together, in bytes.
    pub rendition_memory_bytes: usize,
    /// New renditions of one address.
    pub renditions_per_address: Rate,
    /// Renditions that are kept of one object.
    pub renditions_per_object: i64,
    /// Bytes of renditions that are kept of one owner.
    pub renditions_max_bytes: i64,
    /// How long a rendition is kept that nobody asks for.
    pub renditions_keep: Period,
    /// Links that one bucket may have.
    pub links_max: i64,
    /// How often the password of one link may be guessed.
    pub link_guesses: Rate,
    /// Access keys that one owner may have.
    pub access_keys_max: i64,
    /// Requests with a wrong signature of one address.
    pub signature_guesses: Rate,
    /// Bytes that one run of that reads at most.
    pub verify_bytes: i64,
}
