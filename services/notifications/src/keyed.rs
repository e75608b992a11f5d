//! Hashes of what there are so few of that all could be tried, such as phone numbers: with a key that is not in the database.

use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use stoa_secrets::{SecretError, Secrets};

/// Makes such hashes. The same wherever the installation's secret is the same.
pub(crate) struct Keyed {
    secrets: Secrets,
    key: OnceLock<[u8; 32]>,
}

impl Keyed {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            secrets: secrets.clone(),
            key: OnceLock::new(),
        }
    }

    /// The hash of `text`; for another purpose the same text has another one.
    pub(crate) fn hash(&self, purpose: &str, text: &str) -> Result<Vec<u8>, SecretError> {
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let key = self.secrets.derive("notifications.addresses")?;
                self.key.get_or_init(|| key)
            }
        };
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return Ok(Vec::new());
        };
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_purpose_and_of_the_installations_secret() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let keyed =
            |byte: u8| Keyed::new(&Secrets::new("/nowhere".into(), &STANDARD.encode([byte; 32])).unwrap());
        let hash = |byte, purpose, text| keyed(byte).hash(purpose, text).unwrap();
        assert_eq!(hash(1, "sms", "+491701234567"), hash(1, "sms", "+491701234567"));
        for other in [
            hash(1, "sms", "+491701234568"),
            hash(1, "push", "+491701234567"),
            hash(2, "sms", "+491701234567"),
        ] {
            assert_ne!(hash(1, "sms", "+491701234567"), other);
        }
    }
}
