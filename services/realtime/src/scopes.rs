//! What subscribing and publishing need on the channels that are always there, and an API key at any.

use stoa_http::owned;

owned!(
    /// Subscribing to one's own channel and to those of one's organizations, their history and presence.
    pub(crate) RealtimeRead = "realtime.read", [Member, Admin, Owner]
);
owned!(
    /// Publishing to them.
    pub(crate) RealtimePublish = "realtime.publish", [Member, Admin, Owner]
);
