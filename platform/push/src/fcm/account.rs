//! Service accounts, as the console of Firebase hands them out.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Deserialize;
use serde_json::json;
use stoa_kernel::Timestamp;

/// What an access token is asked for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// Seconds that an assertion is good: the most that is taken.
const LIFETIME: i64 = 3600;

/// Who sends, and the key that shows it.
pub(crate) struct ServiceAccount {
    pub(crate) project: String,
    /// Where access tokens are.
    pub(crate) token_url: String,
    email: String,
    key_id: String,
    key: RsaKeyPair,
}

#[derive(Deserialize)]
struct File {
    project_id: String,
    private_key_id: String,
    private_key: String,
    client_email: String,
    token_uri: String,
}

impl ServiceAccount {
    /// Reads the file. The messages of errors do not repeat the key.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let wrong = |what: &str| format!("it is not the file of a service account: {what}");
        // An error of serde may show what it found.
        let file: File = serde_json::from_slice(text).map_err(|_| {
            wrong("project_id, private_key_id, private_key, client_email and token_uri must be there")
        })?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes());
        let der = der.map_err(|_| wrong("private_key is no PEM"))?;
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
        let is_project = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.');
        if file.project_id.is_empty() || !file.project_id.bytes().all(is_project) {
            return Err(wrong("project_id is none"));
        }
        Ok(Self {
            project: file.project_id,
            token_url: file.token_uri,
            email: file.client_email,
            key_id: file.private_key_id,
            key: key.map_err(|_| wrong("private_key is no RSA key"))?,
        })
    }

    /// What is exchanged for an access token (RFC 7523). None if the machine has no randomness.
    pub(super) fn assertion(&self, now: Timestamp) -> Option<String> {
        let now = now.as_second();
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id }));
        let claims = part(json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_url,
            "iat": now,
            "exp": now + LIFETIME,
        }));
        let signed = format!("{head}.{claims}");
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Without the key.
impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("project", &self.project)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}
