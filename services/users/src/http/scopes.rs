//! What an API key needs to act for its owner, and what an administrator needs.

use stoa_http::{permission, scope};

scope!(
    /// Reading one's own profile.
    pub(crate) ProfileRead = "profile.read"
);
scope!(
    /// Changing one's own profile and avatar.
    pub(crate) ProfileWrite = "profile.write"
);
scope!(
    /// Reading one's own preferences.
    pub(crate) PreferencesRead = "preferences.read"
);
scope!(
    /// Changing one's own preferences.
    pub(crate) PreferencesWrite = "preferences.write"
);
scope!(
    /// Reading one's own activity log.
    pub(crate) ActivityRead = "activity.read"
);
scope!(
    /// Taking all of one's data along.
    pub(crate) ExportRead = "export.read"
);
permission!(
    /// Reading everybody's profile.
    pub(crate) UsersRead = "users.read"
);
