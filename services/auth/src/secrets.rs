//! Secrets that have to be read again: sealed with a key that is a file beside the database, never a row in it.

use std::{fs, io, path::PathBuf, sync::OnceLock};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use stoa_kernel::random;
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    keys::{close_to_others, make_folder, write_whole},
};

const KEY: usize = 32;
const NONCE: usize = 12;

/// Seals and opens with the key in `secrets.key`.
pub(crate) struct Secrets {
    folder: PathBuf,
    key: OnceLock<LessSafeKey>,
}

impl Secrets {
    /// The key in `folder`. Nothing is read or made before [`Secrets::load`].
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            key: OnceLock::new(),
        }
    }

    /// Reads the key, and makes it where there is none. Blocks: one small file.
    pub(crate) fn load(&self) -> Result<()> {
        let key = self
            .read_or_make()
            .map_err(|e| Error::Internal(format!("{}/secrets.key: {e}", self.folder.display())))?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).map_err(|_| broken("not a key"))?;
        // Whoever was first has read the same file.
        let _ = self.key.set(LessSafeKey::new(key));
        Ok(())
    }

    fn read_or_make(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        make_folder(&self.folder)?;
        let path = self.folder.join("secrets.key");
        if !path.exists() {
            let new = Zeroizing::new(random::bytes::<KEY>());
            write_whole(&self.folder, &path, new.as_slice())?;
        }
        close_to_others(&path, 0o600)?;
        let key = Zeroizing::new(fs::read(&path)?);
        if key.len() == KEY {
            Ok(key)
        } else {
            Err(io::Error::other(format!(
                "it must be {KEY} bytes, and is {}",
                key.len()
            )))
        }
    }

    /// Seals `clear` for `place`: it opens in that place only.
    pub(crate) fn seal(&self, place: &str, clear: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::bytes::<NONCE>();
        let mut body = clear.to_vec();
        self.key()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut body)
            .map_err(|_| broken("cannot seal"))?;
        Ok([nonce.as_slice(), &body].concat())
    }

    /// What was sealed for `place`.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed
            .split_first_chunk::<NONCE>()
            .ok_or_else(|| broken("too short"))?;
        let mut body = Zeroizing::new(body.to_vec());
        let clear = self
            .key()?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place),
                body.as_mut_slice(),
            )
            .map_err(|_| broken("sealed with another key than keys/secrets.key, or for another place"))?
            .len();
        body.truncate(clear);
        Ok(body)
    }

    /// A key for `purpose`, the same wherever this key is the same: what the cipher makes of nothing, at a place in its
    /// stream that the purpose names and that nothing else is sealed at.
    pub(crate) fn derive(&self, purpose: &str) -> Result<[u8; KEY]> {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&Sha256::digest(purpose)[..NONCE]);
        let mut derived = [0; KEY];
        self.key()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut derived)
            .map(|_| derived)
            .map_err(|_| broken("cannot derive"))
    }

    fn key(&self) -> Result<&LessSafeKey> {
        self.key.get().ok_or_else(|| broken("the key is not read yet"))
    }
}

fn broken(why: &str) -> Error {
    Error::Internal(format!("a sealed secret: {why}"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn opened(folder: &TempDir) -> Secrets {
        let secrets = Secrets::new(folder.path().join("keys"));
        secrets.load().unwrap();
        secrets
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only_also_after_a_restart() {
        let folder = TempDir::new().unwrap();
        let sealed = opened(&folder).seal("totp:1", b"a secret").unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"a secret"));
        let again = opened(&folder);
        assert_eq!(again.open("totp:1", &sealed).unwrap().as_slice(), b"a secret");
        assert!(again.open("totp:2", &sealed).is_err());
        assert_ne!(again.seal("totp:1", b"a secret").unwrap(), sealed);
    }

    #[test]
    fn keys_are_derived_for_one_purpose_and_are_the_same_after_a_restart() {
        let folder = TempDir::new().unwrap();
        let first = opened(&folder).derive("limits").unwrap();
        assert_eq!(opened(&folder).derive("limits").unwrap(), first);
        assert_ne!(opened(&folder).derive("others").unwrap(), first);
        let elsewhere = opened(&TempDir::new().unwrap());
        assert_ne!(elsewhere.derive("limits").unwrap(), first);
    }

    #[test]
    fn what_was_changed_or_sealed_with_another_key_does_not_open() {
        let folder = TempDir::new().unwrap();
        let secrets = opened(&folder);
        let sealed = secrets.seal("p", b"a secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(secrets.open("p", &changed).is_err(), "{at}");
            assert!(secrets.open("p", &sealed[..at]).is_err(), "{at}");
        }
        assert!(opened(&TempDir::new().unwrap()).open("p", &sealed).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_key_and_a_wrong_one_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        opened(&folder);
        let path = folder.path().join("keys/secrets.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        let error = Secrets::new(folder.path().join("keys")).load().unwrap_err();
        assert!(error.to_string().contains("secrets.key"), "{error}");
    }
}
