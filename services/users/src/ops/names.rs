//! What texts about a person may look like.

/// Longest first or last name, in characters.
pub(crate) const NAME_MAX: usize = 100;
/// Longest text about oneself, in characters.
pub(crate) const BIO_MAX: usize = 2000;

/// Whether a character has no place in a line of text: control characters, and those that turn the direction of what
/// follows, by which a name could pass for another.
pub(crate) fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Without space around it; none when nothing is left.
pub(crate) fn clean(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A name from another service, made to fit rather than refused.
pub(crate) fn fitted(text: Option<&str>) -> Option<String> {
    let fit: String = text?
        .trim()
        .chars()
        .filter(|c| !is_forbidden(*c))
        .take(NAME_MAX)
        .collect();
    clean(&fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_to_fit() {
        assert_eq!(fitted(Some("  Ada\0\u{202e} ")).as_deref(), Some("Ada"));
        assert_eq!(fitted(Some(" \n ")), None);
        assert_eq!(
            fitted(Some(&"é".repeat(200))).map(|name| name.chars().count()),
            Some(NAME_MAX)
        );
    }
}
