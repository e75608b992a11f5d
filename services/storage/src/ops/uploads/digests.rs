//! Checksums of what comes in several requests: kept between them as far as they have come.

use md5::{
    Md5,
    digest::common::hazmat::{SerializableState, SerializedState},
};
use sha2::{Digest, Sha256};

/// MD5 and SHA-256 of what has come so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digests {
    md5: Md5,
    sha256: Sha256,
}

impl Digests {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha256.update(bytes);
    }

    /// As they are kept.
    pub(crate) fn state(&self) -> Vec<u8> {
        [&self.md5.serialize()[..], &self.sha256.serialize()[..]].concat()
    }

    /// From what is kept; none if it was kept by a program that has another form of it.
    pub(crate) fn read(state: &[u8]) -> Option<Self> {
        let length = SerializedState::<Md5>::default().len();
        let (md5, sha256) = state.split_at_checked(length)?;
        Some(Self {
            md5: Md5::deserialize(md5.try_into().ok()?).ok()?,
            sha256: Sha256::deserialize(sha256.try_into().ok()?).ok()?,
        })
    }

    /// What they come to.
    pub(crate) fn finish(self) -> ([u8; 16], [u8; 32]) {
        (self.md5.finalize().into(), self.sha256.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_pieces_has_the_checksums_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        let whole = (Md5::digest(&bytes).into(), Sha256::digest(&bytes).into());
        for size in [1, 63, 64, 65, 4096, 99_999, 100_000] {
            let mut state = Digests::default().state();
            for piece in bytes.chunks(size) {
                let mut digests = Digests::read(&state).unwrap();
                digests.update(piece);
                state = digests.state();
            }
            assert_eq!(Digests::read(&state).unwrap().finish(), whole, "{size}");
        }
        for wrong in [&b""[..], b"x", &[0xff; 200], &Digests::default().state()[1..]] {
            assert!(Digests::read(wrong).is_none());
        }
    }
}
