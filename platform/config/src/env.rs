//! The environment's names for settings: `STOA_<SECTION>__<KEY>`.

pub(crate) const PREFIX: &str = "STOA_";

/// The variable of the setting `key`.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}
