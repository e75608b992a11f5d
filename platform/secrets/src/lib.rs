//! Secrets that have to be read again: sealed with a key that stands in the settings, or in a file beside the database, never
//! in a row of it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use stoa_kernel::random;
use zeroize::Zeroizing;

const KEY: usize = 32;
const NONCE: usize = 12;

/// Seals and opens with the key of the settings, or with the one in `secrets.key`. Cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    given: Option<Zeroizing<Vec<u8>>>,
    key: OnceLock<LessSafeKey>,
    /// Kept while it is read or made, which happens once.
    loading: Mutex<()>,
}

/// Why a secret could not be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a sealed secret: {0}")]
pub struct SecretError(String);

type Result<T> = std::result::Result<T, SecretError>;

impl Secrets {
    /// The key `given`, in base64; where that is empty, the one in `folder`. Nothing is read or made before it is needed, or before
    /// [`Secrets::load`].
    ///
    /// # Errors
    /// When `given` is no key. The message names the setting.
    pub fn new(folder: PathBuf, given: &str) -> std::result::Result<Self, String> {
        let given = match given {
            "" => None,
            text => {
                let key = STANDARD.decode(text).ok().map(Zeroizing::new);
                Some(key.filter(|key| key.len() == KEY).ok_or(
                    "auth.secret must be 32 bytes in base64; make one with: openssl rand -base64 32",
                )?)
            }
        };
        Ok(Self(Arc::new(Inner {
            folder,
            given,
            key: OnceLock::new(),
            loading: Mutex::default(),
        })))
    }

    /// The key itself, for keys of other purposes to be made of. Where it would be in the folder and is not there, it is made or,
    /// without `make`, none. Blocks: one small file.
    ///
    /// # Errors
    /// When the file cannot be read or made.
    pub fn root(&self, make: bool) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        if self.0.given.is_some() {
            return Ok(self.0.given.clone());
        }
        if !make && !self.0.folder.join("secrets.key").is_file() {
            return Ok(None);
        }
        self.read_or_make().map(Some)
    }

    /// Reads the key, and makes it where there is none. Blocks: one small file.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn load(&self) -> Result<()> {
        let _alone = self.0.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.key.get().is_some() {
            return Ok(());
        }
        let read = || {
            let folder = self.0.folder.display();
            self.read_or_make()
                .map_err(|e| SecretError(format!("{folder}/secrets.key: {e}")))
        };
        let key = self.0.given.clone().map_or_else(read, Ok)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).map_err(|_| broken("not a key"))?;
        // Whoever was first has read the same file.
        let _ = self.0.key.set(LessSafeKey::new(key));
        Ok(())
    }

    fn read_or_make(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        make_folder(&self.0.folder)?;
        let path = self.0.folder.join("secrets.key");
        if !path.exists() {
            let new = Zeroizing::new(random::bytes::<KEY>());
            write_whole(&self.0.folder, &path, new.as_slice())?;
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
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn seal(&self, place: &str, clear: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::bytes::<NONCE>();
        let mut body = clear.to_vec();
        self.key()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut body)
            .map_err(|_| broken("cannot seal"))?;
        Ok([nonce.as_slice(), &body].concat())
    }

    /// What was sealed for `place`.
    ///
    /// # Errors
    /// When it was sealed with another key or for another place, or was changed.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
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
            .map_err(|_| {
                broken("sealed with another key than auth.secret or keys/secrets.key, or for another place")
            })?
            .len();
        body.truncate(clear);
        Ok(body)
    }

    /// A key for `purpose`, the same wherever this key is the same: what the cipher makes of nothing, at a place in its
    /// stream that the purpose names and that nothing else is sealed at.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn derive(&self, purpose: &str) -> Result<[u8; KEY]> {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&Sha256::digest(purpose)[..NONCE]);
        let mut derived = [0; KEY];
        self.key()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut derived)
            .map(|_| derived)
            .map_err(|_| broken("cannot derive"))
    }

    fn key(&self) -> Result<&LessSafeKey> {
        if self.0.key.get().is_none() {
            self.load()?;
        }
        self.0.key.get().ok_or_else(|| broken("the key was not read"))
    }
}

/// Without the key.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("folder", &self.0.folder)
            .finish_non_exhaustive()
    }
}

fn broken(why: &str) -> SecretError {
    SecretError(why.to_owned())
}

/// A folder that nobody else can look into.
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    close_to_others(folder, 0o700)
}

/// Writes the whole file or none of it, also when the machine stops half-way.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write;

    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    fs::File::open(folder)?.sync_all()
}

/// Takes away what others may do with it, should somebody have copied it carelessly.
fn close_to_others(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path)?.permissions().mode() & 0o777 != mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn opened(folder: &TempDir) -> Secrets {
        let secrets = Secrets::new(folder.path().join("keys"), "").unwrap();
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
    fn all_who_need_it_first_at_once_have_the_same_key() {
        for _ in 0..20 {
            let folder = TempDir::new().unwrap();
            let secrets = Secrets::new(folder.path().join("keys"), "").unwrap();
            let seal = || secrets.seal("p", b"a secret").unwrap();
            let sealed: Vec<_> = std::thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(seal)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let again = opened(&folder);
            assert!(sealed.iter().all(|sealed| again.open("p", sealed).is_ok()));
        }
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

    #[test]
    fn the_key_of_the_settings_counts_and_a_wrong_one_is_told() {
        let folder = TempDir::new().unwrap();
        let of_file = opened(&folder);
        let text = STANDARD.encode(fs::read(folder.path().join("keys/secrets.key")).unwrap());
        let elsewhere = Secrets::new("/nowhere".into(), &text).unwrap();
        elsewhere.load().unwrap();
        let sealed = of_file.seal("p", b"a secret").unwrap();
        assert_eq!(elsewhere.open("p", &sealed).unwrap().as_slice(), b"a secret");
        for wrong in ["short", &STANDARD.encode([7; 31]), "not base64 !"] {
            let error = Secrets::new("/nowhere".into(), wrong).err().unwrap();
            assert!(error.contains("auth.secret"), "{error}");
        }
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
        let error = Secrets::new(folder.path().join("keys"), "")
            .unwrap()
            .load()
            .unwrap_err();
        assert!(error.to_string().contains("secrets.key"), "{error}");
    }
}
