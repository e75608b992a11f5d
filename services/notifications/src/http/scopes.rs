//! What an API key needs to act for its owner, and what an operator needs.

use stoa_http::{permission, scope};

scope!(
    /// Reading one's own inbox.
    pub(crate) InboxRead = "inbox.read"
);
scope!(
    /// Changing what is in one's own inbox.
    pub(crate) InboxWrite = "inbox.write"
);
scope!(
    /// Reading how one wants to be told.
    pub(crate) PreferencesRead = "notification_preferences.read"
);
scope!(
    /// Changing how one wants to be told.
    pub(crate) PreferencesWrite = "notification_preferences.write"
);
scope!(
    /// Reading which topics one follows.
    pub(crate) TopicsRead = "topics.read"
);
scope!(
    /// Following topics.
    pub(crate) TopicsWrite = "topics.write"
);
permission!(
    /// Sending notifications to anybody.
    pub(crate) NotificationsSend = "notifications.send"
);
permission!(
    /// Reading what was sent to whom.
    pub(crate) NotificationsRead = "notifications.read"
);
permission!(
    /// Reading and trying the texts of notifications.
    pub(crate) TemplatesRead = "templates.read"
);
permission!(
    /// Writing the texts of notifications.
    pub(crate) TemplatesWrite = "templates.write"
);
permission!(
    /// Reading which addresses are suppressed.
    pub(crate) SuppressionsRead = "suppressions.read"
);
permission!(
    /// Having suppressed addresses sent to again.
    pub(crate) SuppressionsWrite = "suppressions.write"
);
