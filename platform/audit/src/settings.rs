//! What sealing is set up with.

use std::{pin::Pin, sync::Arc, time::Duration};

use crate::{AuditKey, HeadFile, HeadRecord};

/// Keeps a head somewhere else: in a bucket, in a mail.
pub type Keeper =
    Arc<dyn Fn(HeadRecord) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What a [`Sealer`](crate::Sealer) is set up with.
#[derive(Clone)]
pub struct Sealing {
    /// Signs heads and cuts.
    pub key: AuditKey,
    /// How long entries are kept; none: for ever.
    pub keep: Option<Duration>,
    /// Where heads are kept beside the database; none: nowhere.
    pub file: Option<HeadFile>,
    /// The time between two heads that are kept, in the file and elsewhere. The last one is kept when the sealer stops.
    pub every: Duration,
    /// Where else heads are kept.
    pub keepers: Vec<Keeper>,
}

impl Sealing {
    /// With this key: entries are kept for ever, heads only in the database.
    #[must_use]
    pub fn new(key: AuditKey) -> Self {
        Self {
            key,
            keep: None,
            file: None,
            every: Duration::from_secs(3600),
            keepers: Vec::new(),
        }
    }
}
