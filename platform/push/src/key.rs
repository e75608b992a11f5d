//! The key by which push services know this installation (VAPID, RFC 8292).

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;
use stoa_kernel::Timestamp;
use zeroize::Zeroizing;

/// How long a token is good. Push services take at most 24 hours.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// An installation's key. Browsers bind their subscriptions to its public half: with another key all of these end. Cheap to clone.
#[derive(Clone)]
pub struct VapidKey(Arc<EcdsaKeyPair>);

impl VapidKey {
    /// Makes a key: the form to be kept, which is secret, and the key. None if the machine has no randomness.
    #[must_use]
    pub fn generate() -> Option<(Zeroizing<Vec<u8>>, Self)> {
        let random = SystemRandom::new();
        let kept = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
        let kept = Zeroizing::new(kept.as_ref().to_vec());
        let key = Self::parse(&kept)?;
        Some((kept, key))
    }

    /// Reads a key from the form that it was kept in (PKCS #8). None if it is none.
    #[must_use]
    pub fn parse(kept: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, kept, &SystemRandom::new());
        Some(Self(Arc::new(pair.ok()?)))
    }

    /// The public half, as browsers want it for `applicationServerKey`.
    #[must_use]
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref())
    }

    /// What stands in `Authorization` for the push service at `origin`. None if the machine has no randomness.
    pub(crate) fn authorization(
        &self,
        origin: &str,
        contact: Option<&str>,
        now: Timestamp,
    ) -> Option<String> {
        let lifetime = i64::try_from(LIFETIME.as_secs()).ok()?;
        let mut claims = json!({ "aud": origin, "exp": now.as_second().saturating_add(lifetime) });
        if let Some(contact) = contact {
            claims["sub"] = contact.into();
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!(
            "{}.{}",
            part(&json!({ "typ": "JWT", "alg": "ES256" })),
            part(&claims)
        );
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Some(format!("vapid t={signed}.{signature},k={}", self.public()))
    }
}

/// Without anything of the key but its public half.
impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VapidKey").field(&self.public()).finish()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_kept_key_is_the_same_key() {
        let (kept, key) = VapidKey::generate().unwrap();
        assert_eq!(VapidKey::parse(&kept).unwrap().public(), key.public());
        assert_ne!(VapidKey::generate().unwrap().1.public(), key.public());
        assert_eq!(URL_SAFE_NO_PAD.decode(key.public()).unwrap().len(), 65);
        assert!(VapidKey::parse(&kept[1..]).is_none() && VapidKey::parse(b"").is_none());
    }

    #[test]
    fn a_token_is_signed_for_one_push_service_and_half_a_day() {
        let (_, key) = VapidKey::generate().unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let text = key
            .authorization("https://push.example", Some("mailto:a@b.example"), now)
            .unwrap();
        let (token, public) = text.strip_prefix("vapid t=").unwrap().split_once(",k=").unwrap();
        assert_eq!(public, key.public());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(public))
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let (head, claims) = signed.split_once('.').unwrap();
        let read = |text: &str| serde_json::from_slice::<serde_json::Value>(&decode(text)).unwrap();
        assert_eq!(read(head), json!({ "typ": "JWT", "alg": "ES256" }));
        let expected =
            json!({ "aud": "https://push.example", "exp": 1_800_043_200, "sub": "mailto:a@b.example" });
        assert_eq!(read(claims), expected);
        assert!(
            !key.authorization("https://push.example", None, now)
                .unwrap()
                .contains("sub")
        );
    }
}
