//! What an API key needs to act for its owner, and what an administrator needs.

use stoa_http::permission;

permission!(
    /// Reading one's own profile.
    pub(crate) ProfileRead = "profile.read"
);
permission!(
    /// Changing one's own profile and avatar.
    pub(crate) ProfileWrite = "profile.write"
);
permission!(
    /// Reading one's own preferences.
    pub(crate) PreferencesRead = "preferences.read"
);
permission!(
    /// Changing one's own preferences.
    pub(crate) PreferencesWrite = "preferences.write"
);
permission!(
    /// Reading one's own activity log.
    pub(crate) ActivityRead = "activity.read"
);
permission!(
    /// Taking all of one's data along.
    pub(crate) ExportRead = "export.read"
);
permission!(
    /// Reading everybody's profile.
    pub(crate) UsersRead = "users.read"
);
