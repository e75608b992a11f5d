//! The key that the end of the chain is signed with.

use std::fmt;

use ring::hmac;

use crate::chain::Hash;

/// Signs heads and cuts of the logs of one installation. Who lacks it can neither cut a log off nor rewrite it unseen.
#[derive(Clone)]
pub struct AuditKey(hmac::Key);

/// What a signature is for: one made for a head is none for a cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The end of the chain, in the database.
    Head,
    /// Where a trimmed chain begins.
    Cut,
    /// A head that is kept elsewhere.
    Record,
}

impl AuditKey {
    /// The key of logs, made of a secret of 32 bytes that may serve other purposes as well.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"stoa audit log");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// What tells it from other keys, and may be shown.
    #[must_use]
    pub fn id(&self) -> String {
        let tag = hmac::sign(&self.0, b"id");
        hex::encode(&tag.as_ref()[..8])
    }

    pub(crate) fn sign(&self, purpose: Purpose, service: &str, seq: i64, hash: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, &message(purpose, service, seq, hash))
            .as_ref()
            .to_vec()
    }

    pub(crate) fn signed(&self, purpose: Purpose, service: &str, seq: i64, hash: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.0, &message(purpose, service, seq, hash), mac).is_ok()
    }
}

/// Fields of fixed length, but the last.
fn message(purpose: Purpose, service: &str, seq: i64, hash: &[u8]) -> Vec<u8> {
    let purpose: &[u8; 4] = match purpose {
        Purpose::Head => b"head",
        Purpose::Cut => b"cut ",
        Purpose::Record => b"kept",
    };
    // A hash of another length was not made by us, and its signature is none.
    let mut fixed = Hash::default();
    if hash.len() == fixed.len() {
        fixed.copy_from_slice(hash);
    }
    [purpose.as_slice(), &seq.to_be_bytes(), &fixed, service.as_bytes()].concat()
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({})", self.id())
    }
}
