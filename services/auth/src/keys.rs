//! The keys that access tokens are signed with: rows of the database, sealed, the same for every process of this service.
//!
//! A key's row says from when on it signs. So the table is all there is to know: the newest key whose time has come signs;
//! one whose time comes later is published already, for others to fetch; those before verify until the last of their
//! tokens has expired.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use stoa_db::Db;
use stoa_http::{Claims, TokenSigner, VerifyingKey};
use stoa_kernel::{Clock, Timestamp, random};
use stoa_secrets::Secrets;
use zeroize::Zeroizing;

use crate::{
    config::AuthConfig,
    error::{Error, Result},
    store::signing_keys::{self, SealedKey},
};

/// How long before it signs a key is published.
const NOTICE: Duration = Duration::from_secs(24 * 3600);
/// What the sealing is bound to, before the moment from which on the key signs.
const PLACE: &str = "signing_key:";

/// The signing keys.
pub(crate) struct KeyRing {
    clock: Clock,
    lifetime: i64,
    notice: i64,
    /// How long a token may live after its key has stopped signing.
    token_lifetime: i64,
    /// In the order in which they sign.
    keys: RwLock<Vec<Arc<Key>>>,
}

struct Key {
    /// Seconds since 1970.
    signs_from: i64,
    signer: TokenSigner,
}

impl KeyRing {
    /// A ring without keys: see [`KeyRing::rotate`].
    pub(crate) fn new(clock: Clock, config: &AuthConfig) -> Self {
        let seconds = |period: Duration| i64::try_from(period.as_secs()).unwrap_or(i64::MAX / 4);
        let lifetime = seconds(config.signing_key_lifetime.0);
        Self {
            clock,
            lifetime,
            notice: seconds(NOTICE).min(lifetime / 2),
            token_lifetime: seconds(config.access_token_lifetime.0),
            keys: RwLock::default(),
        }
    }

    /// Makes the key that is due, removes those that are over, and reads what there is then. True if a key signs at once that
    /// nobody has heard of.
    pub(crate) async fn rotate(&self, db: &Db, secrets: &Secrets) -> Result<bool> {
        self.load(db, secrets).await?;
        let now = self.clock.now();
        if self.due(now).is_none() && self.over(now).is_empty() {
            return Ok(false);
        }
        // A key that is made too early, or removed, stays so.
        let first = self.keys.read().is_empty();
        let now = if first { now } else { db.steady_now().await };
        let (due, over) = (self.due(now), self.over(now));
        let mut tx = db.begin().await?;
        if let Some(signs_from) = due {
            signing_keys::insert(&mut tx, &make(secrets, signs_from)?).await?;
        }
        for signs_from in over {
            signing_keys::delete(&mut tx, signs_from).await?;
            tracing::info!(signs_from, "removed a signing key whose tokens have all expired");
        }
        tx.commit().await?;
        if let Some(signs_from) = due {
            tracing::info!(signs_from, "made a signing key");
        }
        self.load(db, secrets).await?;
        Ok(due.is_some_and(|signs_from| signs_from <= self.clock.now().as_second()))
    }

    /// Reads the keys, of which another process may have made new ones.
    pub(crate) async fn load(&self, db: &Db, secrets: &Secrets) -> Result<()> {
        let rows = signing_keys::all(db).await?;
        let known = self.keys.read().clone();
        let same = |(key, row): (&Arc<Key>, &SealedKey)| key.signs_from == row.signs_from;
        if known.len() == rows.len() && known.iter().zip(&rows).all(same) {
            return Ok(());
        }
        let keys = rows.iter().map(|row| open(secrets, row)).collect::<Result<_>>()?;
        *self.keys.write() = keys;
        Ok(())
    }

    /// From when on the key has to sign that is to be made now; none if none is.
    fn due(&self, now: Timestamp) -> Option<i64> {
        let now = now.as_second();
        let keys = self.keys.read();
        let Some(newest) = keys.last() else {
            return Some(now);
        };
        let ends = newest.signs_from.saturating_add(self.lifetime);
        (now >= ends - self.notice).then(|| ends.max(now))
    }

    /// The keys that no living token is signed with, by the moments from which on they signed.
    fn over(&self, now: Timestamp) -> Vec<i64> {
        let now = now.as_second();
        let keys = self.keys.read();
        let over = |next: &&Arc<Key>| next.signs_from.saturating_add(self.token_lifetime) < now;
        let count = keys.iter().skip(1).take_while(over).count();
        keys[..count].iter().map(|key| key.signs_from).collect()
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

fn make(secrets: &Secrets, signs_from: i64) -> Result<SealedKey> {
    let secret = Zeroizing::new(random::bytes::<32>());
    Ok(SealedKey {
        signs_from,
        sealed: secrets.seal(&format!("{PLACE}{signs_from}"), secret.as_slice())?,
    })
}

fn open(secrets: &Secrets, row: &SealedKey) -> Result<Arc<Key>> {
    let secret = secrets.open(&format!("{PLACE}{}", row.signs_from), &row.sealed)?;
    let secret = secret
        .as_slice()
        .try_into()
        .map_err(|_| Error::Internal("a signing key is not 32 bytes long".to_owned()))?;
    Ok(Arc::new(Key {
        signs_from: row.signs_from,
        signer: signer(&SigningKey::from_bytes(secret)),
    }))
}

/// A key's name is its thumbprint (RFC 7638), so that the same key always has the same.
fn signer(key: &SigningKey) -> TokenSigner {
    let x = URL_SAFE_NO_PAD.encode(key.verifying_key().to_bytes());
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    TokenSigner::new(URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)), &key.to_bytes())
}

#[cfg(test)]
mod tests {
    use stoa_db::DbOptions;
    use tempfile::TempDir;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Fixture {
        _folder: TempDir,
        clock: Clock,
        db: Db,
        secrets: Secrets,
    }

    impl Fixture {
        async fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let clock = Clock::adjustable();
            let mut options = DbOptions::new(
                format!("sqlite:{}", folder.path().join("auth.db").display()),
                "auth",
            );
            options.clock = clock.clone();
            let db = Db::open(options).await.unwrap();
            db.migrate("auth", crate::SERVICE.migrations).await.unwrap();
            let secrets = Secrets::new(folder.path().join("keys"), "").unwrap();
            secrets.load().unwrap();
            Self {
                _folder: folder,
                clock,
                db,
                secrets,
            }
        }

        fn open(&self) -> KeyRing {
            let mut config: AuthConfig = stoa_testkit::settings("auth");
            config.signing_key_lifetime.0 = 90 * DAY;
            KeyRing::new(self.clock.clone(), &config)
        }

        /// Names of the keys to verify with, and of the one that signs, after a look at the table.
        async fn after(&self, days: u32, ring: &KeyRing) -> (Vec<String>, String) {
            self.clock.advance(days * DAY);
            ring.rotate(&self.db, &self.secrets).await.unwrap();
            let kids = ring.public().into_iter().map(|key| key.kid).collect();
            (kids, kid(&ring.sign(&claims(&self.clock)).unwrap()))
        }
    }

    fn claims(clock: &Clock) -> Claims {
        let now = clock.now().as_second();
        Claims {
            iss: "stoa".to_owned(),
            aud: Some("stoa".to_owned()),
            sub: stoa_kernel::Id::new(clock),
            sid: stoa_kernel::Id::new(clock),
            iat: now,
            exp: now + 3600,
            ver: 0,
            roles: Vec::new(),
            role_vers: Vec::new(),
            perms: Vec::new(),
            orgs: Vec::new(),
            more_orgs: false,
            csrf: None,
        }
    }

    fn kid(token: &str) -> String {
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_key_is_published_before_it_signs_and_verifies_after() {
        let place = Fixture::new().await;
        let ring = place.open();
        let (kids, first) = place.after(0, &ring).await;
        assert_eq!((kids.len(), &kids[0]), (1, &first));
        assert_eq!(place.after(88, &ring).await, (vec![first.clone()], first.clone()));

        let (kids, signs) = place.after(1, &ring).await;
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
            place.after(0, &ring).await.0,
            [first, next.clone()],
            "tokens of the first still live"
        );
        assert_eq!(place.after(1, &ring).await, (vec![next.clone()], next));
    }

    #[tokio::test]
    async fn the_same_keys_are_there_after_a_restart_and_in_another_process() {
        let place = Fixture::new().await;
        let (one, other) = (place.open(), place.open());
        let before = place.after(0, &one).await;
        assert_eq!(place.after(0, &other).await, before);
        place.after(89, &one).await;
        other.load(&place.db, &place.secrets).await.unwrap();
        assert_eq!(other.public().len(), 2, "what one has made the other has, too");
    }

    #[tokio::test]
    async fn after_a_long_sleep_a_new_key_signs_at_once() {
        let place = Fixture::new().await;
        let (_, first) = place.after(0, &place.open()).await;
        let (kids, signs) = place.after(200, &place.open()).await;
        assert_ne!(signs, first);
        assert!(kids.contains(&first), "a token of a moment ago still verifies");
    }

    #[tokio::test]
    async fn keys_are_of_no_use_without_the_key_that_seals_them() {
        let place = Fixture::new().await;
        place.after(0, &place.open()).await;
        let folder = TempDir::new().unwrap();
        let others = Secrets::new(folder.path().join("keys"), "").unwrap();
        others.load().unwrap();
        assert!(place.open().load(&place.db, &others).await.is_err());
    }
}
