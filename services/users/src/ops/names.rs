//! What texts about a person may look like.

use stoa_kernel::text::{is_blank, is_forbidden, line, nfc};

/// Longest first or last name, in characters.
pub(crate) const NAME_MAX: usize = 100;
/// Longest text about oneself, in characters.
pub(crate) const BIO_MAX: usize = 2000;

/// In normal form C, without space around it; none when nothing is left.
pub(crate) fn clean(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| nfc(text))
}

/// A name from another service, made to fit rather than refused.
pub(crate) fn fitted(text: Option<&str>) -> Option<String> {
    let fit: String = line(text?)?
        .chars()
        .filter(|c| !is_forbidden(*c))
        .take(NAME_MAX)
        .collect();
    clean(&fit).filter(|name| !is_blank(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_to_fit() {
        assert_eq!(fitted(Some("  Ada\0\u{202e} ")).as_deref(), Some("Ada"));
        assert_eq!(fitted(Some(" \n ")), None);
        assert_eq!(fitted(Some("\u{200b}")), None);
        assert_eq!(fitted(Some("Jose\u{301}")).as_deref(), Some("José"));
        assert_eq!(
            fitted(Some(&"é".repeat(200))).map(|name| name.chars().count()),
            Some(NAME_MAX)
        );
    }
}
