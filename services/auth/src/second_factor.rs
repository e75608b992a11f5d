//! Codes of authenticator apps (RFC 6238: SHA-1, six digits, thirty seconds), and recovery codes.

use sha2::{Digest, Sha256};
use stoa_kernel::{Timestamp, UserId, random, text};
use totp_rs::{Algorithm, Builder, Secret, Totp};
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// Bytes of a secret: as many as SHA-1 has.
pub(crate) const SECRET: usize = 20;
/// Recovery codes that one is given.
pub(crate) const RECOVERY_CODES: usize = 10;
/// Seconds that a code is good, before and after which the neighbouring one is accepted as well, for clocks that are off.
const STEP: u64 = 30;
/// Letters and digits that are not taken for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters and digits of a recovery code: 80 bits, so that its hash needs no salt.
const RECOVERY_LENGTH: usize = 16;

/// What an authenticator app is set up with: the secret in base 32, and the address that a QR code holds.
pub(crate) fn setup(secret: [u8; SECRET], issuer: &str, account: &str) -> Result<(String, String)> {
    // A colon would end the name in the address.
    let (issuer, account) = (issuer.replace(':', " "), account.replace(':', " "));
    let totp = builder(&secret)
        .with_issuer(Some(issuer))
        .with_account_name(account)
        .build()
        .map_err(|e| Error::Internal(e.to_string()))?;
    let url = totp.to_url().map_err(|e| Error::Internal(e.to_string()))?;
    Ok((totp.secret().to_base32(), url))
}

/// The time step whose code this is, if it is one of now or next to it.
pub(crate) fn step_of(code: &str, secret: &[u8], now: Timestamp) -> Option<i64> {
    let now = u64::try_from(now.as_second()).ok()?;
    // Compares numbers, in constant time.
    let step = totp(secret).check(code, now)?;
    i64::try_from(step).ok()
}

/// The zeros of the decimal digits that keyboards of other scripts type; full-width ones are made narrow before.
const ZEROS: [char; 5] = ['\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{e50}'];

/// What somebody typed, without blanks and hyphens, in ASCII digits and small letters.
pub(crate) fn plain(code: &str) -> String {
    let means_nothing =
        |c: char| text::is_invisible(c) || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    code.nfkc()
        .filter(|c| !means_nothing(*c))
        .map(|c| ascii_digit(c).unwrap_or_else(|| c.to_ascii_lowercase()))
        .collect()
}

fn ascii_digit(c: char) -> Option<char> {
    let value = ZEROS.iter().find_map(|zero| {
        let value = u32::from(c).checked_sub(u32::from(*zero))?;
        (value < 10).then_some(value)
    });
    char::from_digit(value?, 10)
}

/// Whether it looks like a code of an authenticator app.
pub(crate) fn is_six_digits(plain: &str) -> bool {
    plain.len() == 6 && plain.bytes().all(|b| b.is_ascii_digit())
}

/// New recovery codes, as they are shown.
pub(crate) fn recovery_codes() -> Vec<String> {
    let code = || {
        let letters =
            random::bytes::<RECOVERY_LENGTH>().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        let groups = letters.chunks(4).map(|group| group.iter().collect::<String>());
        groups.collect::<Vec<_>>().join("-")
    };
    std::iter::repeat_with(code).take(RECOVERY_CODES).collect()
}

/// What is kept of a recovery code.
pub(crate) fn recovery_hash(user: UserId, plain: &str) -> [u8; 32] {
    Sha256::digest(format!("{user}\n{plain}")).into()
}

fn totp(secret: &[u8]) -> Totp {
    builder(secret).build_noncompliant()
}

fn builder(secret: &[u8]) -> Builder {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(STEP)
        .with_secret(Secret::new(secret.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (20_000_000_000, "353130"),
        ] {
            let at = |second: i64| Timestamp::from_second(second).unwrap();
            assert_eq!(step_of(code, secret, at(second)), Some(second / 30), "{second}");
            assert_eq!(step_of(code, secret, at(second + 30)), Some(second / 30));
            assert_eq!(step_of(code, secret, at(second - 30)), Some(second / 30));
            assert_eq!(step_of(code, secret, at(second + 61)), None);
        }
        assert_eq!(
            step_of("+28708", secret, Timestamp::from_second(59).unwrap()),
            None
        );
    }

    #[test]
    fn an_app_is_told_whose_code_it_is() {
        let (secret, url) = setup([7; SECRET], "Stoa: here", "ada@example.org").unwrap();
        assert_eq!(secret.len(), 32);
        assert!(
            url.starts_with("otpauth://totp/Stoa%20%20here:ada%40example.org?"),
            "{url}"
        );
        assert!(url.contains(&secret), "{url}");
    }

    #[test]
    fn recovery_codes_are_read_however_they_are_typed() {
        let codes = recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        assert_eq!(
            codes.iter().collect::<std::collections::HashSet<_>>().len(),
            RECOVERY_CODES
        );
        assert!(codes.iter().all(|code| code.len() == 19));
        assert_eq!(plain(" AB12-cd34 "), "ab12cd34");
        assert_eq!(plain("１２３\u{200b}４５－６"), "123456");
        assert_eq!(plain("\u{661}\u{662}\u{663}\u{6f4}\u{6f5}\u{966}"), "123450");
        assert!(is_six_digits("012345") && !is_six_digits("01234a") && !is_six_digits("0123456"));
    }
}
