//! Tokens without meaning of their own: refresh tokens, links in mails, CSRF tokens.

use std::fmt;

use sha2::{Digest, Sha256};
use stoa_kernel::random;

/// A new secret of 256 bits, and what is kept of it.
pub(crate) struct Opaque {
    /// For the caller; never kept.
    pub(crate) text: String,
    /// SHA-256 of the text. Nothing slower is needed for a secret that cannot be guessed.
    pub(crate) hash: [u8; 32],
}

impl Opaque {
    pub(crate) fn new() -> Self {
        let text = random::token::<32>();
        Self {
            hash: hash_of(&text),
            text,
        }
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque(…)")
    }
}

/// What is kept of a token.
pub(crate) fn hash_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
