//! Whose a key is: the exact credential that a request came with.

use std::sync::Arc;

use axum::extract::Request;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use stoa_cache::LimitKey;
use stoa_kernel::{Principal, PrincipalKind};

use crate::{
    Failure, RequestInfo, Result,
    authn::presented_key,
    names::{CSRF_HEADER, IDEMPOTENCY_KEY, REFRESH_COOKIE},
    session_cookie,
};

/// SHA-256 of what names something: the parts are of the caller's making.
pub(super) type Hash = [u8; 32];

/// Who sends a request with a key.
pub(super) struct Sender {
    /// None for an anonymous caller.
    pub(super) principal: Option<Arc<Principal>>,
    /// Whose quota an answer counts against: a session, an API key, or the network of an anonymous caller.
    pub(super) owner: Hash,
    /// Credential, route and key together.
    pub(super) key: Hash,
    /// The refresh token in a cookie, with what proves its origin.
    pub(super) refresh: Hash,
}

impl Sender {
    /// # Errors
    /// 422 when the header is not one short text.
    pub(super) fn of(request: &Request) -> Result<Self> {
        let key = key(request.headers())?;
        let (headers, extensions) = (request.headers(), request.extensions());
        let principal = extensions.get::<Arc<Principal>>().cloned();
        let secure = extensions.get::<RequestInfo>().is_some_and(|info| info.secure);
        let refresh = refresh(headers, secure);
        let (owner, credential) = match (&principal, extensions.get::<RequestInfo>()) {
            (Some(principal), _) => {
                let owner = signed_in(principal, headers);
                (owner, owner)
            }
            (None, Some(info)) => {
                let owner = hash(&[
                    b"anonymous",
                    LimitKey::address(info.address).to_string().as_bytes(),
                ]);
                (owner, hash(&[&owner, &refresh]))
            }
            (None, None) => {
                return Err(Failure::internal(
                    "the edge did not put RequestInfo into the request",
                ));
            }
        };
        let path = request.uri().path();
        Ok(Self {
            key: hash(&[
                &credential,
                request.method().as_str().as_bytes(),
                path.as_bytes(),
                key,
            ]),
            principal,
            owner,
            refresh,
        })
    }
}

fn key(headers: &HeaderMap) -> Result<&[u8]> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let valid = |key: &&HeaderValue| {
        (1..=255).contains(&key.len()) && key.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte))
    };
    match (values.next().filter(valid), values.next()) {
        (Some(key), None) => Ok(key.as_bytes()),
        _ => {
            let message = "It must be one text of 1 to 255 printable ASCII characters";
            Err(Failure::invalid(IDEMPOTENCY_KEY, "format", message))
        }
    }
}

/// One session or one API key of one user.
fn signed_in(principal: &Principal, headers: &HeaderMap) -> Hash {
    let user = principal.user_id.to_string();
    match principal.kind {
        PrincipalKind::ApiKey => {
            let key = presented_key(headers).unwrap_or_default();
            hash(&[b"key", user.as_bytes(), key.as_bytes()])
        }
        PrincipalKind::User | PrincipalKind::System => {
            let session = principal.session_id.map(|id| id.to_string()).unwrap_or_default();
            hash(&[b"session", user.as_bytes(), session.as_bytes()])
        }
    }
}

fn refresh(headers: &HeaderMap, secure: bool) -> Hash {
    let cookie = session_cookie(headers, REFRESH_COOKIE, secure).unwrap_or_default();
    let proof = headers.get(CSRF_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    hash(&[cookie.as_bytes(), proof])
}

/// SHA-256 over parts, each with its length, so that no two lists of parts look alike.
pub(super) fn hash(parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
