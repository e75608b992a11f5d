//! The parts that a text is sent in.

/// Characters of GSM 7-bit (3GPP TS 23.038) that take one place.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those that take two.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character: 160 in one part, 153 in each of several.
    Gsm7,
    /// Sixteen bits a character, and twice that beyond the first plane: 70 in one part, 67 in each of several.
    Ucs2,
}

/// The parts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// How it is written. One character outside of GSM 7-bit makes all of it UCS-2.
    pub encoding: Encoding,
    /// How many parts there are.
    pub count: u32,
}

impl Segments {
    /// The parts of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let gsm: Option<Vec<usize>> = text.chars().map(septets).collect();
        match gsm {
            Some(places) => Self {
                encoding: Encoding::Gsm7,
                count: parts(places, 160, 153),
            },
            None => Self {
                encoding: Encoding::Ucs2,
                count: parts(text.chars().map(char::len_utf16).collect(), 70, 67),
            },
        }
    }
}

/// The places that a character takes in GSM 7-bit; none if it is not of it.
fn septets(c: char) -> Option<usize> {
    if BASIC.contains(c) {
        return Some(1);
    }
    EXTENDED.contains(c).then_some(2)
}

/// A character of two places is not cut in two, so that a place may be left at the end of a part.
fn parts(characters: Vec<usize>, alone: usize, together: usize) -> u32 {
    if characters.iter().sum::<usize>() <= alone {
        return 1;
    }
    let (mut count, mut left) = (1, together);
    for places in characters {
        if places > left {
            count += 1;
            left = together;
        }
        left -= places;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_networks_count_them() {
        for (text, encoding, count) in [
            ("", Encoding::Gsm7, 1),
            ("Your code is 123456", Encoding::Gsm7, 1),
            (&"a".repeat(160), Encoding::Gsm7, 1),
            (&"a".repeat(161), Encoding::Gsm7, 2),
            (&"a".repeat(306), Encoding::Gsm7, 2),
            (&"a".repeat(307), Encoding::Gsm7, 3),
            (&"€".repeat(80), Encoding::Gsm7, 1),
            (&"€".repeat(81), Encoding::Gsm7, 2),
            // 76 of two places fill a part but for one place: a third part begins sooner.
            (&"€".repeat(152), Encoding::Gsm7, 2),
            (&"€".repeat(153), Encoding::Gsm7, 3),
            ("Grüße, ÄÖÜ @ 5 €", Encoding::Gsm7, 1),
            ("Grüße, čeština", Encoding::Ucs2, 1),
            (&"ж".repeat(70), Encoding::Ucs2, 1),
            (&"ж".repeat(71), Encoding::Ucs2, 2),
            (&"😀".repeat(35), Encoding::Ucs2, 1),
            (&"😀".repeat(36), Encoding::Ucs2, 2),
            // 33 of them fill a part but for one place.
            (&"😀".repeat(66), Encoding::Ucs2, 2),
            (&"😀".repeat(67), Encoding::Ucs2, 3),
        ] {
            assert_eq!(Segments::of(text), Segments { encoding, count }, "{text}");
        }
    }

    #[test]
    fn the_tables_have_the_characters_of_the_standard() {
        // 128 places, of which one is the escape to the extension.
        assert_eq!(BASIC.chars().count(), 127);
        assert_eq!(EXTENDED.chars().count(), 10);
    }
}
