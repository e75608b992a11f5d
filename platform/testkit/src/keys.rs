//! Credentials that a test hands out: the test's own signing key, and API keys that only the test knows.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use stoa_http::{Claims, KeyAnswer, KeyAuthority, TokenSigner, Verifier, csrf_claim, names};
use stoa_kernel::{Clock, Id, Permissions, Principal, PrincipalKind, SessionId, UserId, random};

/// Issuer of all tokens in tests.
pub(crate) const ISSUER: &str = "stoa";
/// How long a test's token is good.
const LIFETIME_SECONDS: i64 = 3600;

/// What a browser holds in cookie mode.
#[derive(Clone, Debug)]
pub struct CookieSession {
    /// The session.
    pub session: SessionId,
    /// Value of the access cookie.
    pub access: String,
    /// Value of the CSRF cookie, to be repeated in the header.
    pub csrf: String,
}

/// Mints access tokens and API keys.
pub(crate) struct Keys {
    clock: Clock,
    signer: TokenSigner,
    api_keys: Mutex<HashMap<String, Arc<Principal>>>,
}

impl Keys {
    pub(crate) fn new(clock: Clock, verifier: &Verifier) -> Self {
        let signer = TokenSigner::new("testkit", &random::bytes());
        verifier.set_keys(vec![signer.verifying_key()]);
        Self {
            clock,
            signer,
            api_keys: Mutex::default(),
        }
    }

    pub(crate) fn signer(&self) -> &TokenSigner {
        &self.signer
    }

    pub(crate) fn claims(&self, user: UserId, session: SessionId, permissions: &[&str]) -> Claims {
        let now = self.clock.now().as_second();
        Claims {
            iss: ISSUER.to_owned(),
            aud: Some(ISSUER.to_owned()),
            sub: user,
            sid: session,
            iat: now,
            exp: now + LIFETIME_SECONDS,
            ver: 0,
            roles: vec!["user".to_owned()],
            role_vers: Vec::new(),
            perms: permissions
                .iter()
                .map(|&permission| permission.to_owned())
                .collect(),
            orgs: Vec::new(),
            more_orgs: false,
            csrf: None,
        }
    }

    pub(crate) fn cookie(&self, user: UserId, permissions: &[&str]) -> CookieSession {
        let (session, csrf) = (Id::new(&self.clock), random::token::<32>());
        let claims = Claims {
            csrf: Some(csrf_claim(&csrf)),
            ..self.claims(user, session, permissions)
        };
        CookieSession {
            session,
            access: self.signer.sign(&claims),
            csrf,
        }
    }

    pub(crate) fn revoke_api_key(&self, key: &str) {
        self.api_keys.lock().remove(key);
    }

    pub(crate) fn api_key(&self, user: UserId, scopes: &[&str]) -> String {
        let key = format!("{}{}", names::API_KEY_PREFIX, random::token::<32>());
        let principal = Principal {
            permissions: Permissions::new(scopes.iter().copied()),
            scopes: Some(Permissions::new(scopes.iter().copied())),
            ..Principal::new(PrincipalKind::ApiKey, user)
        };
        self.api_keys.lock().insert(key.clone(), Arc::new(principal));
        key
    }
}

impl KeyAuthority for Keys {
    fn authenticate<'a>(&'a self, key: &'a str) -> KeyAnswer<'a> {
        Box::pin(async move { Ok(self.api_keys.lock().get(key).cloned()) })
    }
}
