//! Access tokens: EdDSA JWTs (RFC 7519, RFC 8037).

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, SigningKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_kernel::{Membership, Memberships, OrganizationId, OrganizationRole, SessionId, UserId};

/// Claims of an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is meant for: the installation that issued it. None in tokens of [`FORMER_ISSUER`](crate::FORMER_ISSUER).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Whose it is.
    pub sub: UserId,
    /// The sign-in that it belongs to.
    pub sid: SessionId,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// From when on it is refused, in seconds since 1970.
    pub exp: i64,
    /// The account's access version: raised when its roles change.
    pub ver: i64,
    /// Names of roles held.
    pub roles: Vec<String>,
    /// The version of each of these roles: raised when the role changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_vers: Vec<i64>,
    /// What the roles permit.
    pub perms: Vec<String>,
    /// The organizations that they are a member of, [`Memberships::LISTED_MAX`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orgs: Vec<MembershipClaim>,
    /// Whether they are a member of more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_orgs: bool,
    /// For a token that is kept in a cookie: [`csrf_claim`] of the CSRF token that goes with it. Such a token is
    /// accepted from the cookie alone, and a token without it never from the cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
}

/// What an access token says of one membership: the organization, the role in it, and the organization's access version, which is
/// raised when it is deleted or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipClaim(pub OrganizationId, pub OrganizationRole, pub i64);

impl Claims {
    /// The memberships that it says.
    pub(crate) fn memberships(&self) -> Memberships {
        let listed = self.orgs.iter().map(|claim| Membership {
            organization_id: claim.0,
            role: claim.1,
        });
        Memberships {
            listed: listed.collect(),
            more: self.more_orgs,
        }
    }
}

/// What the claim `csrf` says of a CSRF token: its SHA-256 in URL-safe base64.
#[must_use]
pub fn csrf_claim(csrf_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(csrf_token))
}

/// A key that tokens are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// Its name in tokens.
    pub kid: String,
    /// Ed25519 public key.
    pub public: [u8; 32],
}

/// Signs access tokens. The key is wiped from memory when this is dropped.
pub struct TokenSigner {
    key: SigningKey,
    kid: String,
    /// The encoded header, the same for all tokens.
    header: String,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow, default)]
    kid: Cow<'a, str>,
    #[serde(default, skip_serializing)]
    crit: Option<serde_json::Value>,
}

impl TokenSigner {
    /// A signer with the Ed25519 key of this seed, named `kid` in tokens.
    #[must_use]
    pub fn new(kid: impl Into<String>, seed: &[u8; 32]) -> Self {
        let kid = kid.into();
        let header = serde_json::json!({ "alg": "EdDSA", "kid": kid, "typ": "JWT" });
        Self {
            key: SigningKey::from_bytes(seed),
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            kid,
        }
    }

    /// The key to check its tokens with.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey {
            kid: self.kid.clone(),
            public: self.key.verifying_key().to_bytes(),
        }
    }

    /// The name of its key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The token with these claims.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
        let mut token = format!("{}.{payload}", self.header);
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.to_bytes(), &mut token);
        token
    }
}

/// A token taken apart. Nothing of it is checked yet but its form and that it says `EdDSA`.
pub(crate) struct Parsed<'a> {
    /// The name of the key.
    pub(crate) kid: String,
    /// What was signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Signature,
    payload: &'a str,
}

impl<'a> Parsed<'a> {
    pub(crate) fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        if header.alg != "EdDSA" || header.crit.is_some() {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self {
            kid: header.kid.into_owned(),
            signed: signed.as_bytes(),
            signature: Signature::from_slice(&signature).ok()?,
            payload,
        })
    }

    /// The claims; only to be believed once the signature has been checked.
    pub(crate) fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.payload).ok()?).ok()
    }
}
