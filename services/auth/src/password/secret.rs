//! A password in memory: never shown, and wiped when it is dropped.

use std::fmt;

use garde::Validate;
use serde::{Deserialize, Deserializer};
use stoa_http::field_error;
use zeroize::Zeroizing;

/// Longer ones are refused unread: hashing takes time in proportion.
pub(crate) const MOST_CHARACTERS: usize = 1024;

/// A password as somebody typed it.
#[derive(Clone)]
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is short enough to be looked at.
    pub(crate) fn is_bounded(&self) -> bool {
        self.0.chars().nth(MOST_CHARACTERS).is_none()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Validate for Password {
    type Context = ();

    fn validate_into(&self, (): &(), parent: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
        if !self.is_bounded() {
            let message = format!("The greatest length is {MOST_CHARACTERS}");
            report.append(parent(), field_error("too_long", message));
        }
    }
}
