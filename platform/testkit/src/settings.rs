//! Settings as they are when nobody sets anything.

use serde::de::DeserializeOwned;

const DEFAULTS: &str = include_str!("../../../stoa.default.toml");

/// Section `name` of the default settings; `settings::<UsersConfig>("users")`.
#[must_use]
pub fn settings<T: DeserializeOwned>(name: &str) -> T {
    let mut all: toml::Table = DEFAULTS.parse().expect("the default settings are TOML");
    let section = all
        .remove(name)
        .unwrap_or_else(|| panic!("there is no section [{name}] in stoa.default.toml"));
    section
        .try_into()
        .unwrap_or_else(|error| panic!("section [{name}] of stoa.default.toml: {error}"))
}
