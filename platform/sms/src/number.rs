//! Phone numbers in their international form.

use std::fmt;

/// A phone number (E.164): `+`, and 8 to 15 digits of which the first is not 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// Reads a number and nothing around it; none if it is not one. Blanks, brackets and dashes are refused: a form that asks for
    /// a number takes them out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        ((8..=15).contains(&digits.len()) && plain).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_international_and_whole() {
        for text in ["+15005550006", "+491701234567", "+29012345", "+123456789012345"] {
            assert_eq!(Number::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "+",
            "15005550006",
            "+05005550006",
            "+1500555",
            "+1234567890123456",
            "+1 500 555 0006",
            "+1-500-555-0006",
            "+1500555000a",
            "+1500555000\u{663}",
            "+15005550006\n",
            "++15005550006",
            "+15005550006,+15005550007",
            "whatsapp:+15005550006",
        ] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
    }
}
