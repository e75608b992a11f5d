//! The keys that access tokens are signed with: one file a key, in the data folder, readable by nobody else.
//!
//! A file's name says from when on its key signs: `1767225600.pem`. So the folder is all there is to know: the newest key
//! whose time has come signs; one whose time comes later is published already, for others to fetch; those before verify
//! until the last of their tokens has expired.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use stoa_http::{Claims, TokenSigner, VerifyingKey};
use stoa_kernel::{Clock, random};

use crate::{
    config::AuthConfig,
    error::{Error, Result},
};

/// How long before it signs a key is published.
const NOTICE: Duration = Duration::from_secs(24 * 3600);

/// The signing keys.
pub(crate) struct KeyRing {
    folder: PathBuf,
    clock: Clock,
    lifetime: i64,
    notice: i64,
    /// How long a token may live after its key has stopped signing.
    token_lifetime: i64,
    /// In the order in which they sign.
    keys: RwLock<Vec<Key>>,
    /// Held while the folder is looked at and written.
    rotating: Mutex<()>,
}

struct Key {
    /// Seconds since 1970.
    signs_from: i64,
    signer: TokenSigner,
}

impl KeyRing {
    /// The keys in `folder`. Nothing is read or made before [`KeyRing::rotate`].
    pub(crate) fn new(folder: PathBuf, clock: Clock, config: &AuthConfig) -> Self {
        let seconds = |period: Duration| i64::try_from(period.as_secs()).unwrap_or(i64::MAX / 4);
        let lifetime = seconds(config.signing_key_lifetime.0);
        Self {
            folder,
            clock,
            lifetime,
            notice: seconds(NOTICE).min(lifetime / 2),
            token_lifetime: seconds(config.access_token_lifetime.0),
            keys: RwLock::default(),
            rotating: Mutex::default(),
        }
    }

    /// Reads the folder, makes the key that is due, removes those that are over, and returns what to verify with from now
    /// on. Blocks: a few small files.
    pub(crate) fn rotate(&self) -> Result<Vec<VerifyingKey>> {
        let _alone = self.rotating.lock();
        let failed =
            |e: io::Error| Error::Internal(format!("the signing keys in {}: {e}", self.folder.display()));
        make_folder(&self.folder).map_err(failed)?;
        let mut keys = read_all(&self.folder).map_err(failed)?;
        if let Some(signs_from) = self.due(&keys) {
            keys.push(Key {
                signs_from,
                signer: make(&self.folder, signs_from).map_err(failed)?,
            });
            tracing::info!(signs_from, "made a signing key");
        }
        for key in self.take_over(&mut keys) {
            fs::remove_file(path_of(&self.folder, key.signs_from)).map_err(failed)?;
            tracing::info!(
                kid = key.signer.kid(),
                "removed a signing key whose tokens have all expired"
            );
        }
        *self.keys.write() = keys;
        Ok(self.public())
    }

    /// From when on the key has to sign that is to be made now; none if none is.
    fn due(&self, keys: &[Key]) -> Option<i64> {
        let now = self.clock.now().as_second();
        let Some(newest) = keys.last() else {
            return Some(now);
        };
        let ends = newest.signs_from.saturating_add(self.lifetime);
        // After a long sleep there was no notice: others fetch the keys again when they meet a name that they do not know.
        (now >= ends - self.notice).then(|| ends.max(now))
    }

    /// Takes out the keys that no living token is signed with.
    fn take_over(&self, keys: &mut Vec<Key>) -> Vec<Key> {
        let now = self.clock.now().as_second();
        let over = |next: &Key| next.signs_from.saturating_add(self.token_lifetime) < now;
        let count = keys.iter().skip(1).take_while(|next| over(next)).count();
        keys.drain(..count).collect()
    }

    /// Signs an access token with the newest key whose time has come.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String> {
        let now = self.clock.now().as_second();
        let keys = self.keys.read();
        let current = keys
            .iter()
            .rev()
            .find(|key| key.signs_from <= now)
            .or(keys.first());
        current
            .map(|key| key.signer.sign(claims))
            .ok_or_else(|| Error::Internal("there is no signing key yet".to_owned()))
    }

    /// What to verify with.
    pub(crate) fn public(&self) -> Vec<VerifyingKey> {
        self.keys
            .read()
            .iter()
            .map(|key| key.signer.verifying_key())
            .collect()
    }
}

fn path_of(folder: &Path, signs_from: i64) -> PathBuf {
    folder.join(format!("{signs_from}.pem"))
}

fn read_all(folder: &Path) -> io::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_key = path.extension().is_some_and(|extension| extension == "pem");
        let signs_from = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<i64>().ok());
        if let (true, Some(signs_from)) = (is_key, signs_from) {
            let signer =
                read(&path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
            keys.push(Key { signs_from, signer });
        }
    }
    keys.sort_by_key(|key| key.signs_from);
    Ok(keys)
}

fn read(path: &Path) -> io::Result<TokenSigner> {
    close_to_others(path, 0o600)?;
    let pem = zeroize::Zeroizing::new(fs::read_to_string(path)?);
    let key =
        SigningKey::from_pkcs8_pem(&pem).map_err(|e| io::Error::other(format!("not an Ed25519 key: {e}")))?;
    Ok(signer(&key))
}

fn make(folder: &Path, signs_from: i64) -> io::Result<TokenSigner> {
    let key = SigningKey::from_bytes(&random::bytes());
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
    write_whole(folder, &path_of(folder, signs_from), pem.as_bytes())?;
    Ok(signer(&key))
}

/// A key's name is its thumbprint (RFC 7638), so that the same key always has the same.
fn signer(key: &SigningKey) -> TokenSigner {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    TokenSigner::new(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)), &key.to_bytes())
}

/// A folder that nobody else can look into.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    close_to_others(folder, 0o700)
}

/// Writes the whole file or none of it, also when the machine stops half-way.
pub(crate) fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
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
pub(crate) fn close_to_others(path: &Path, mode: u32) -> io::Result<()> {
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

    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Ring {
        folder: TempDir,
        clock: Clock,
    }

    impl Ring {
        fn new() -> Self {
            Self {
                folder: TempDir::new().unwrap(),
                clock: Clock::adjustable(),
            }
        }

        fn open(&self) -> KeyRing {
            let mut config: AuthConfig = stoa_testkit::settings("auth");
            config.signing_key_lifetime.0 = 90 * DAY;
            KeyRing::new(self.folder.path().join("keys"), self.clock.clone(), &config)
        }

        /// Names of the keys to verify with, and of the one that signs, after a look at the folder.
        fn after(&self, days: u32, ring: &KeyRing) -> (Vec<String>, String) {
            self.clock.advance(days * DAY);
            let kids = ring.rotate().unwrap().into_iter().map(|key| key.kid).collect();
            (kids, kid(&ring.sign(&claims(&self.clock)).unwrap()))
        }
    }

    fn claims(clock: &Clock) -> Claims {
        let now = clock.now().as_second();
        Claims {
            iss: "stoa".to_owned(),
            sub: stoa_kernel::Id::new(clock),
            sid: stoa_kernel::Id::new(clock),
            iat: now,
            exp: now + 3600,
            ver: 0,
            roles: Vec::new(),
            perms: Vec::new(),
            csrf: None,
        }
    }

    fn kid(token: &str) -> String {
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_verifies_after() {
        let place = Ring::new();
        let ring = place.open();
        let (kids, first) = place.after(0, &ring);
        assert_eq!((kids.len(), &kids[0]), (1, &first));
        assert_eq!(place.after(88, &ring), (vec![first.clone()], first.clone()));

        let (kids, signs) = place.after(1, &ring);
        assert_eq!(
            (kids.len(), &signs),
            (2, &first),
            "the next is published a day before"
        );
        let next = kids[1].clone();

        place.clock.advance(DAY);
        assert_eq!(
            kid(&ring.sign(&claims(&place.clock)).unwrap()),
            next,
            "its time comes by itself"
        );
        assert_eq!(
            place.after(0, &ring).0,
            [first, next.clone()],
            "tokens of the first still live"
        );
        assert_eq!(place.after(1, &ring), (vec![next.clone()], next));
    }

    #[test]
    fn the_same_keys_are_there_after_a_restart() {
        let place = Ring::new();
        let before = place.after(0, &place.open());
        assert_eq!(place.after(0, &place.open()), before);
    }

    #[test]
    fn after_a_long_sleep_a_new_key_signs_at_once() {
        let place = Ring::new();
        let (_, first) = place.after(0, &place.open());
        let (kids, signs) = place.after(200, &place.open());
        assert_ne!(signs, first);
        assert!(kids.contains(&first), "a token of a moment ago still verifies");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_key() {
        use std::os::unix::fs::PermissionsExt;
        let place = Ring::new();
        place.after(0, &place.open());
        let folder = place.folder.path().join("keys");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!((files.len(), mode(&files[0]), mode(&folder)), (1, 0o600, 0o700));
        fs::set_permissions(&files[0], fs::Permissions::from_mode(0o644)).unwrap();
        place.after(0, &place.open());
        assert_eq!(
            mode(&files[0]),
            0o600,
            "a copy that others could read is closed again"
        );
    }

    #[test]
    fn a_file_that_is_no_key_is_told_by_its_name() {
        let place = Ring::new();
        place.after(0, &place.open());
        fs::write(place.folder.path().join("keys/1.pem"), "nonsense").unwrap();
        let Err(error) = place.open().rotate() else {
            panic!("nonsense was taken for a key")
        };
        assert!(error.to_string().contains("1.pem"), "{error}");
    }
}
