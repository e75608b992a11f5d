//! What a limit is counted by.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use sha2::{Digest, Sha256};

/// A limiter's key. The same thing has the same key in every process and after every restart, so that a limit holds
/// across those that share a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// A network address; [`LimitKey::address`] makes one that cannot be got round.
    Address(IpAddr),
    /// A user, by the bytes of the id.
    User([u8; 16]),
    /// Anything else, by [a hash of it](LimitKey::hash).
    Hash([u8; 16]),
}

impl LimitKey {
    /// The key of a caller's address. IPv6 addresses count by their /64: one subscriber has them all, and could otherwise
    /// take a new one for each request. IPv4 addresses written as IPv6 count as IPv4.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            IpAddr::V4(v4) => IpAddr::V4(v4),
        })
    }

    /// The key of anything that these parts name together, by half of their SHA-256: nobody can find two that meet.
    /// What must not be guessed from the key has a secret among its parts.
    #[must_use]
    pub fn hash(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts look alike.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Self::Hash(half)
    }
}

/// As it stands in a shared cache.
impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "address:{address}"),
            Self::User(id) => write!(f, "user:{}", hex::encode(id)),
            Self::Hash(hash) => write!(f, "hash:{}", hex::encode(hash)),
        }
    }
}
