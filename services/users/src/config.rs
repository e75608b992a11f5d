//! Section `[users]` of the settings.

use serde::{Deserialize, Serialize};
use stoa_kernel::Period;
use stoa_pictures::PictureLimits;

/// What can be set; the defaults stand in `defaults.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsersConfig {
    /// Largest avatar that is accepted, in bytes.
    pub avatar_max_bytes: usize,
    /// Largest side of an avatar that is accepted, in pixels.
    pub avatar_max_pixels: u32,
    /// Side of the square that an avatar is kept as, in pixels.
    pub avatar_size: u32,
    /// Memory that pictures may take up while they are decoded, all together, in bytes.
    pub avatar_memory_bytes: usize,
    /// Preferences that one person may keep.
    pub preferences_max: u32,
    /// Largest value of a preference, in bytes of JSON.
    pub preference_max_bytes: usize,
    /// How long the activity log is kept.
    pub activity_keep: Period,
}

impl UsersConfig {
    /// How large avatars may be.
    pub(crate) fn avatar(&self) -> PictureLimits {
        PictureLimits {
            max_pixels: self.avatar_max_pixels,
            size: self.avatar_size,
            memory_bytes: self.avatar_memory_bytes,
        }
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), String> {
        self.avatar().check("users.avatar")
    }
}
