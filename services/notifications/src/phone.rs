//! Phone numbers, as far as they are seen and kept.

use stoa_kernel::UserId;

/// `+49***67`.
pub(crate) fn masked(number: &str) -> String {
    let (first, last) = (number.get(..3), number.get(number.len().saturating_sub(2)..));
    format!("{}***{}", first.unwrap_or_default(), last.unwrap_or_default())
}

/// What a provider has said, without the number that it may repeat.
pub(crate) fn without(text: &str, number: &str) -> String {
    let digits = number.trim_start_matches('+');
    if digits.is_empty() {
        return text.to_owned();
    }
    let mask = masked(number);
    text.replace(number, &mask)
        .replace(digits, mask.trim_start_matches('+'))
}

/// What a person's number is sealed for: so that no row's number is good in another's.
pub(crate) fn place(user: UserId) -> String {
    format!("phone:{user}")
}

/// Six digits.
pub(crate) fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A code that nobody can foresee.
pub(crate) fn new_code() -> String {
    loop {
        // What is left over beyond the last whole million would make some codes likelier than others.
        let number = u32::from_be_bytes(stoa_kernel::random::bytes());
        if number < u32::MAX / 1_000_000 * 1_000_000 {
            return format!("{:06}", number % 1_000_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_read() {
        assert_eq!(masked("+491701234567"), "+49***67");
        let said = "21211 The 'To' number +491701234567 is not valid: 491701234567";
        assert_eq!(
            without(said, "+491701234567"),
            "21211 The 'To' number +49***67 is not valid: 49***67"
        );
        assert_eq!(without("x", ""), "x");
    }

    #[test]
    fn codes_are_six_digits_and_differ() {
        let codes: Vec<_> = (0..50).map(|_| new_code()).collect();
        assert!(codes.iter().all(|code| is_code(code)), "{codes:?}");
        assert!(codes.iter().any(|code| *code != codes[0]));
        for text in ["", "12345", "1234567", "12345a", "12345\u{663}"] {
            assert!(!is_code(text), "{text}");
        }
    }
}
