//! A password in memory: never shown, and wiped when it is dropped.

use std::fmt;

use garde::Validate;
use serde::{Deserialize, Deserializer};
use stoa_http::field_error;
use unicode_normalization::UnicodeNormalization;
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

    /// As it is hashed: RFC 8265, `OpaqueString`. Every space is the same space, and the same text has the same characters.
    pub(crate) fn canonical(&self) -> Self {
        let space = |c: char| if is_space(c) { ' ' } else { c };
        Self::new(self.0.chars().map(space).nfc().collect::<String>())
    }

    /// The forms to be compared with a kept hash: the canonical one, then those that a hash of earlier days may be of. For text in
    /// ASCII there is but one.
    pub(crate) fn forms(&self) -> Vec<Self> {
        let canonical = self.canonical();
        if self.0.is_ascii() {
            return vec![canonical];
        }
        let decomposed = Self::new(self.0.nfd().collect::<String>());
        let mut forms = vec![canonical];
        for form in [self.clone(), decomposed] {
            if forms.iter().all(|other| other.as_str() != form.as_str()) {
                forms.push(form);
            }
        }
        forms
    }

    /// Whether it is short enough to be looked at.
    pub(crate) fn is_bounded(&self) -> bool {
        self.0.chars().nth(MOST_CHARACTERS).is_none()
    }
}

/// A space that is not the one of ASCII (Unicode's category Zs).
fn is_space(c: char) -> bool {
    c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')
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
