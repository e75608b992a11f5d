//! What an API key needs, and which roles in an organization may.

use stoa_http::owned;

owned!(
    /// Reading buckets and their settings.
    pub(crate) BucketsRead = "buckets.read", [Guest, Member, Admin, Owner]
);
owned!(
    /// Making, changing and deleting buckets.
    pub(crate) BucketsWrite = "buckets.write", [Admin, Owner]
);
owned!(
    /// Reading objects.
    pub(crate) ObjectsRead = "objects.read", [Guest, Member, Admin, Owner]
);
owned!(
    /// Storing and deleting objects.
    pub(crate) ObjectsWrite = "objects.write", [Member, Admin, Owner]
);
