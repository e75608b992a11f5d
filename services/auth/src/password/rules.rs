//! What a new password must be like. Length counts; kinds of characters are not asked for (NIST SP 800-63B).

use stoa_kernel::text;

use crate::{
    config::PasswordConfig,
    error::{Error, Result},
    password::Password,
};

/// The passwords that are tried first wherever somebody guesses. Lowercase, one a line.
const COMMON: &str = include_str!("common.txt");

/// Refuses a new password that is too short, too long, or among the first that anybody would guess. `field` is the name of the
/// request's field; `email` the account's address.
pub(crate) fn check(
    password: &Password,
    email: &str,
    rules: &PasswordConfig,
    field: &'static str,
) -> Result<()> {
    let refuse = |code: &'static str, message: String| Err(Error::Field(field, code, message));
    let password = password.canonical();
    if text::is_blank(password.as_str()) {
        return refuse("blank", "Nothing of the password can be seen".to_owned());
    }
    if password.as_str().contains(char::is_control) {
        return refuse("invalid", "Control characters are not accepted".to_owned());
    }
    let length = password.as_str().chars().count();
    if length < rules.min_length {
        return refuse(
            "too_short",
            format!("Use at least {} characters", rules.min_length),
        );
    }
    if length > rules.max_length {
        return refuse("too_long", format!("The greatest length is {}", rules.max_length));
    }
    let lower = text::lowercase(password.as_str());
    if lower.trim() == text::lowercase(email.trim()) {
        return refuse(
            "same_as_email",
            "The password must not be the e-mail address".to_owned(),
        );
    }
    if COMMON.lines().any(|common| common == lower) {
        return refuse(
            "too_common",
            "This password is one of the first that anybody would guess".to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(password: &str) -> Option<&'static str> {
        let rules = PasswordConfig {
            min_length: 8,
            max_length: 16,
            memory_kib: 64,
            iterations: 1,
            lanes: 1,
            queue: 1,
        };
        match check(&Password::new(password), "Ada@Example.org", &rules, "password") {
            Err(Error::Field("password", code, _)) => Some(code),
            _ => None,
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(refusal("ä234567"), Some("too_short"));
        assert_eq!(refusal("ä2345678"), None);
        assert_eq!(refusal("ääääääääääääääää"), None);
        assert_eq!(refusal("12345678901234567"), Some("too_long"));
    }

    #[test]
    fn what_cannot_be_seen_is_refused() {
        for password in [
            "        ",
            "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}",
            "\u{3000}\u{a0}      ",
        ] {
            assert_eq!(refusal(password), Some("blank"), "{password:?}");
        }
        assert_eq!(refusal("1234\u{0}5678"), Some("invalid"));
        assert_eq!(refusal("e\u{301}e\u{301}e\u{301}e\u{301}1234"), None);
        assert_eq!(
            refusal("e\u{301}e\u{301}e\u{301}e\u{301}123"),
            Some("too_short"),
            "é is one character"
        );
    }

    #[test]
    fn what_anybody_would_guess_is_refused() {
        assert_eq!(refusal("ada@example.ORG"), Some("same_as_email"));
        assert_eq!(refusal("Password123"), Some("too_common"));
        assert_eq!(refusal("12345678"), Some("too_common"));
        assert_eq!(refusal("tin roof rusted"), None);
    }
}
