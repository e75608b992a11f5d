//! Section `[__name__]` of the settings.

use serde::{Deserialize, Serialize};
use stoa_kernel::Period;

/// What can be set; the defaults stand in `defaults.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct __Name__Config {
    /// Items that one person may have.
    pub items_max: u32,
    /// How long they are kept.
    pub keep: Period,
}
