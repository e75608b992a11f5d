//! Addresses, as far as they are kept: so that nobody reads them.

use sha2::{Digest, Sha256};
use stoa_mail::Address;

/// `a***@example.com`.
pub(crate) fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}***@{domain}")
}

/// The hash by which an address is known again, however it is written.
pub(crate) fn hash(address: &str) -> Vec<u8> {
    let key = Address::parse(address).map_or_else(|| address.trim().to_lowercase(), |address| address.key());
    Sha256::digest(key).to_vec()
}

/// What a mail server has said, without the address that it may repeat.
pub(crate) fn without(text: &str, address: &str) -> String {
    let mask = masked(address);
    let sent = Address::parse(address).map(|address| address.to_string());
    let mut text = text.to_owned();
    for form in [Some(address.to_owned()), sent].into_iter().flatten() {
        while let Some(at) = find(&text, &form) {
            text.replace_range(at..at + form.len(), &mask);
        }
    }
    text
}

/// Where `part` begins in `text`, in any case of its ASCII letters.
fn find(text: &str, part: &str) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    let windows = text.as_bytes().windows(part.len());
    windows
        .enumerate()
        .find(|(_, window)| window.eq_ignore_ascii_case(part.as_bytes()))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_read_and_known_again() {
        assert_eq!(masked("ada@example.com"), "a***@example.com");
        assert_eq!(masked("é@example.com"), "é***@example.com");
        assert_eq!(hash("Ada@Example.com"), hash(" ada@example.COM"));
        assert_ne!(hash("ada@example.com"), hash("bob@example.com"));
    }

    #[test]
    fn what_a_server_says_does_not_repeat_the_address() {
        let said = "550 <ADA@example.com>: ada@example.com unknown é";
        let text = without(said, "ada@Example.com");
        assert_eq!(text, "550 <a***@Example.com>: a***@Example.com unknown é");
    }
}
