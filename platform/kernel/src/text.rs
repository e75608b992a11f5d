//! Text that people type, made comparable. One thing can be written in several ways: é is one character or two, and some characters
//! cannot be seen at all.

use unicode_normalization::UnicodeNormalization;

/// In normal form C, in which the same text has the same characters.
#[must_use]
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// In lower case, for what is the same in any case. Unlike [`str::to_lowercase`] it does not depend on what follows: a part of a text
/// has the same form as within the whole.
#[must_use]
pub fn lowercase(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The same for texts that differ in case alone, also where that changes their length: `STRASSE` and `straße`. To search by, not to
/// show.
#[must_use]
pub fn folded(text: &str) -> String {
    // By way of upper case: so ß is ss, and the ς at a word's end is the σ of elsewhere.
    let upper = text.nfc().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfc().collect()
}

/// One line of text as it is kept: in normal form C, with nothing invisible around it. None when nothing is left.
#[must_use]
pub fn line(text: &str) -> Option<String> {
    let line = text.trim_matches(is_outer_space);
    (!is_blank(line)).then(|| nfc(line))
}

/// Whether nothing of the text can be seen.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}

/// Whether a character has no place in a line of text: control characters, and those that turn the direction of what follows, by
/// which a name could pass for another.
#[must_use]
pub fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character shows nothing by itself: white space, controls, and what Unicode calls default ignorable.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// What means nothing around a text. Joiners and variation selectors mean something to the character before them.
fn is_outer_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_however_it_is_written() {
        assert_eq!(nfc("Jose\u{301}"), "José");
        assert_eq!(lowercase("JOSE\u{301}"), "josé");
        assert!(lowercase("ΟΔΥΣΣΕΥΣ").starts_with(&lowercase("ΟΔΥΣ")));
        assert_eq!(line("\u{feff} Ada\u{200b}\u{a0}").as_deref(), Some("Ada"));
        assert_eq!(line("❤\u{fe0f}").as_deref(), Some("❤\u{fe0f}"));
    }

    #[test]
    fn folded_text_is_the_same_in_every_case() {
        for (one, other) in [
            ("ADA", "ada"),
            ("Jose\u{301}", "JOSÉ"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("STRASSE", "straße"),
            ("ﬁn", "FIN"),
            ("ΐ", "\u{3b9}\u{308}\u{301}"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert!(folded("ΟΔΥΣΣΕΥΣ").starts_with(&folded("ΟΔΥΣ")));
        assert_ne!(folded("José"), folded("Jose"));
    }

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for text in [
            "",
            " ",
            "\u{200b}",
            "\u{a0}\u{3000}",
            "\u{2800}",
            "\u{3164}",
            "\u{200d}\t",
        ] {
            assert!(is_blank(text) && line(text).is_none(), "{text:?}");
        }
        assert!(!is_blank(" . "));
    }
}
