//! Signatures of Standard Webhooks: `v1` by HMAC-SHA256, `v1a` by Ed25519.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde::{Deserialize, Serialize};
use stoa_kernel::random;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Bytes of a key of either kind.
const KEY: usize = 32;

/// How messages are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhooksSignature)]
pub(crate) enum Signature {
    /// HMAC-SHA256 with a secret that both sides know.
    V1,
    /// Ed25519: the receiver knows the public key alone.
    V1a,
}

impl Signature {
    /// As it stands in a row and before a signature.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1a => "v1a",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V1a].into_iter().find(|kind| kind.name() == name)
    }
}

/// What signs an endpoint's messages.
pub(crate) struct SigningKey {
    kind: Signature,
    secret: Zeroizing<Vec<u8>>,
}

impl SigningKey {
    /// A new one.
    pub(crate) fn make(kind: Signature) -> Self {
        let secret = Zeroizing::new(random::bytes::<KEY>().to_vec());
        Self { kind, secret }
    }

    /// As it was kept.
    pub(crate) fn of(kind: Signature, secret: Zeroizing<Vec<u8>>) -> Self {
        Self { kind, secret }
    }

    /// As it is kept.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.secret
    }

    /// What the receiver verifies with: the secret, `whsec_…`, or the public key, `whpk_…`.
    ///
    /// # Errors
    /// When the key is none.
    pub(crate) fn for_receiver(&self) -> Result<String, String> {
        Ok(match self.kind {
            Signature::V1 => format!("whsec_{}", STANDARD.encode(&*self.secret)),
            Signature::V1a => format!("whpk_{}", STANDARD.encode(self.pair()?.public_key())),
        })
    }

    /// One signature of a message, such as `v1,K5oZ…`.
    ///
    /// # Errors
    /// When the key is none.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> Result<String, String> {
        let signed = [format!("{id}.{seconds}.").as_bytes(), body].concat();
        let signature = match self.kind {
            Signature::V1 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
                STANDARD.encode(hmac::sign(&key, &signed))
            }
            Signature::V1a => STANDARD.encode(self.pair()?.sign(&signed)),
        };
        Ok(format!("{},{signature}", self.kind.name()))
    }

    fn pair(&self) -> Result<Ed25519KeyPair, String> {
        Ed25519KeyPair::from_seed_unchecked(&self.secret).map_err(|e| format!("a signing key: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_secret_signs_as_the_specification_shows() {
        // The example of the specification's reference implementations.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = SigningKey::of(Signature::V1, Zeroizing::new(secret));
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signature.unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(
            key.for_receiver().unwrap(),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        );
    }

    #[test]
    fn the_public_key_verifies_what_the_private_one_signed() {
        let key = SigningKey::make(Signature::V1a);
        let signature = key.sign("msg_1", 1, b"body").unwrap();
        let signature = STANDARD.decode(signature.strip_prefix("v1a,").unwrap()).unwrap();
        let public = key.for_receiver().unwrap();
        let public = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, public);
        public.verify(b"msg_1.1.body", &signature).unwrap();
        assert!(public.verify(b"msg_1.2.body", &signature).is_err());
    }
}
