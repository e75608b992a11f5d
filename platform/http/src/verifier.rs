//! Checks access tokens: signature by the key set, lifetime, and what was revoked since.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use stoa_kernel::{
    Clock, OrganizationId, Permissions, Principal, PrincipalKind, SessionId, Timestamp, UserId,
};

use crate::{
    issuers::Issuers,
    revocations::Until,
    token::{Claims, Parsed, VerifyingKey},
    token_cache::TokenCache,
};

/// Checks access tokens. In the process that runs auth the key set is set directly; elsewhere it is fetched from auth.
/// Cheap to clone; clones share keys, cache and revocations.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    clock: Clock,
    keys: ArcSwap<KeySet>,
    cache: TokenCache<Verified>,
    sessions: Until<SessionId, ()>,
    versions: Until<UserId, i64>,
    roles: Until<String, i64>,
    organizations: Until<OrganizationId, i64>,
    /// Grows with whatever may make a token that was found good a bad one.
    revision: AtomicU64,
}

#[derive(Default)]
struct KeySet {
    /// Grows with each new set: a cached token counts only under the set that it was checked with.
    epoch: u64,
    keys: HashMap<String, ed25519_dalek::VerifyingKey>,
    issuers: Issuers,
}

/// A token whose signature and issuer were found good.
pub(crate) struct Verified {
    pub(crate) principal: Arc<Principal>,
    /// The claim `csrf`.
    pub(crate) csrf: Option<String>,
    session: SessionId,
    version: i64,
    /// The version of each role of the principal.
    role_versions: Vec<i64>,
    /// The access version of each organization of the principal.
    organization_versions: Vec<i64>,
    expires: i64,
    /// The key that it was signed with, and the set of keys that knew it.
    kid: String,
    epoch: u64,
}

/// A token that was found good, for somebody who stays. Cheap to clone.
#[derive(Clone)]
pub struct OpenToken(Arc<Verified>);

impl OpenToken {
    /// Whose it is.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        &self.0.principal
    }

    /// When it expires.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_second(self.0.expires).unwrap_or(Timestamp::MAX)
    }

    /// Whether it is bound to a cookie.
    #[must_use]
    pub fn is_of_cookie(&self) -> bool {
        self.0.csrf.is_some()
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is no token of ours: its form, algorithm, claims, issuer or audience are not.
    Malformed,
    /// No key of ours signed it.
    BadSignature,
    /// Its time is over.
    Expired,
    /// Its session was ended.
    Revoked,
    /// The account's roles or memberships, or what one of the roles permits, have changed since.
    Stale,
    /// It is a cookie's token and came otherwise, or the other way round.
    Misplaced,
}

impl Verifier {
    /// Accepts tokens of this issuer, once there are keys, until others are [set](Self::set_issuers).
    #[must_use]
    pub fn new(issuer: &str, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            keys: ArcSwap::from_pointee(KeySet {
                issuers: Issuers::new(vec![issuer.to_owned()]),
                ..KeySet::default()
            }),
            cache: TokenCache::new(),
            sessions: Until::new(),
            versions: Until::new(),
            roles: Until::new(),
            organizations: Until::new(),
            revision: AtomicU64::new(0),
        }))
    }

    /// Replaces the key set. Tokens of keys that are gone are refused from now on.
    pub fn set_keys(&self, keys: Vec<VerifyingKey>) {
        let keys: HashMap<_, _> = keys
            .into_iter()
            .filter_map(|key| {
                let public = ed25519_dalek::VerifyingKey::from_bytes(&key.public)
                    .ok()
                    .filter(|key| !key.is_weak());
                if public.is_none() {
                    tracing::error!(
                        kid = key.kid,
                        "left out a key that is not a sound Ed25519 public key"
                    );
                }
                Some((key.kid, public?))
            })
            .collect();
        self.0.keys.rcu(|before| KeySet {
            epoch: before.epoch + 1,
            keys: keys.clone(),
            issuers: before.issuers.clone(),
        });
        self.changed();
    }

    /// Replaces the issuers whose tokens are accepted.
    pub fn set_issuers(&self, names: &[String]) {
        self.0.keys.rcu(|before| KeySet {
            epoch: before.epoch + 1,
            keys: before.keys.clone(),
            issuers: Issuers::new(names.to_vec()),
        });
        self.changed();
    }

    /// The principal of a bearer token. A token that was seen before costs a hash and a look-up, and allocates nothing;
    /// lifetime and revocations are checked every time.
    ///
    /// # Errors
    /// Why the token is refused; also a token that is bound to a cookie.
    pub fn verify(&self, token: &str) -> Result<Arc<Principal>, Refused> {
        let verified = self.check(token)?;
        if verified.csrf.is_some() {
            return Err(Refused::Misplaced);
        }
        Ok(Arc::clone(&verified.principal))
    }

    /// The principal of a token that came in the session cookie, where the request itself shows that it was meant: by the token of a link
    /// in a mail, or by a CSRF token that is checked apart.
    ///
    /// # Errors
    /// Why the token is refused; also one that is bound to no cookie.
    pub fn verify_cookie(&self, token: &str) -> Result<Arc<Principal>, Refused> {
        let verified = self.check(token)?;
        if verified.csrf.is_none() {
            return Err(Refused::Misplaced);
        }
        Ok(Arc::clone(&verified.principal))
    }

    /// From now on tokens of this session are refused. `until`: when the last of them expires.
    pub fn revoke_session(&self, session: SessionId, until: Timestamp) {
        self.0.sessions.raise(session, (), until, self.0.clock.now());
        self.changed();
    }

    /// Tokens of this user with a smaller `ver` are refused as stale: the client refreshes. `until`: when the last of
    /// them expires.
    pub fn raise_version(&self, user: UserId, version: i64, until: Timestamp) {
        self.0.versions.raise(user, version, until, self.0.clock.now());
        self.changed();
    }

    /// Tokens that name this role in a smaller version are refused as stale: the client refreshes. `until`: when the last of
    /// them expires.
    pub fn raise_role(&self, role: &str, version: i64, until: Timestamp) {
        let now = self.0.clock.now();
        self.0.roles.raise(role.to_owned(), version, until, now);
        self.changed();
    }

    /// Tokens that name this organization in a smaller version are refused as stale: the client refreshes. `until`: when the last
    /// of them expires.
    pub fn raise_organization(&self, organization: OrganizationId, version: i64, until: Timestamp) {
        let now = self.0.clock.now();
        self.0.organizations.raise(organization, version, until, now);
        self.changed();
    }

    /// Opens a token for somebody who stays, such as a socket: its owner asks with [`still_good`](Self::still_good) from time to time
    /// whether it still counts. Says nothing of how the token came: the caller knows that it was meant.
    ///
    /// # Errors
    /// Why the token is refused.
    pub fn open_session(&self, token: &str) -> Result<OpenToken, Refused> {
        self.check(token).map(OpenToken)
    }

    /// Whether a token that was opened is still accepted. Allocates nothing.
    ///
    /// # Errors
    /// Why it is refused from now on.
    pub fn still_good(&self, token: &OpenToken) -> Result<(), Refused> {
        let OpenToken(verified) = token;
        let keys = self.0.keys.load();
        if verified.epoch != keys.epoch && !keys.keys.contains_key(&verified.kid) {
            return Err(Refused::BadSignature);
        }
        self.is_in_force(verified)
    }

    /// Changes whenever something was revoked or replaced: until then no token that [is good](Self::still_good) becomes a bad one but by
    /// its time.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Acquire)
    }

    fn changed(&self) {
        self.0.revision.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn check(&self, token: &str) -> Result<Arc<Verified>, Refused> {
        let Inner {
            cache, keys, clock, ..
        } = &*self.0;
        let key = cache.key(token);
        let verified = match cache.get(key) {
            Some(verified) if verified.epoch == keys.load().epoch => verified,
            _ => {
                let verified = Arc::new(self.open(token)?);
                cache.insert(key, Arc::clone(&verified));
                verified
            }
        };
        if verified.expires <= clock.now().as_second() {
            cache.remove(key);
        }
        self.is_in_force(&verified)?;
        Ok(verified)
    }

    /// Whether its time is not over and nothing of it was revoked.
    fn is_in_force(&self, verified: &Verified) -> Result<(), Refused> {
        let now = self.0.clock.now();
        if verified.expires <= now.as_second() {
            return Err(Refused::Expired);
        }
        if self.0.sessions.get(&verified.session, now).is_some() {
            return Err(Refused::Revoked);
        }
        if self.is_stale(verified, now) {
            return Err(Refused::Stale);
        }
        Ok(())
    }

    /// Whether the account's roles or memberships, one of the roles, or one of the organizations have changed since the token was
    /// signed.
    fn is_stale(&self, token: &Verified, now: Timestamp) -> bool {
        let raised = self.0.versions.get(&token.principal.user_id, now);
        if raised.is_some_and(|needed| token.version < needed) {
            return true;
        }
        // A token of before roles had versions names none.
        let versions = token.role_versions.iter().copied().chain(std::iter::repeat(0));
        let roles = &self.0.roles;
        let stale_role = token.principal.roles.iter().zip(versions).any(|(role, version)| {
            let raised = roles.get(role.as_str(), now);
            raised.is_some_and(|needed| version < needed)
        });
        let memberships = token.principal.memberships.listed.iter();
        stale_role
            || memberships
                .zip(&token.organization_versions)
                .any(|(membership, version)| {
                    let raised = self.0.organizations.get(&membership.organization_id, now);
                    raised.is_some_and(|needed| *version < needed)
                })
    }

    /// Checks what never changes of a token: form, signature, issuer, audience.
    fn open(&self, token: &str) -> Result<Verified, Refused> {
        let parsed = Parsed::of(token).ok_or(Refused::Malformed)?;
        let keys = self.0.keys.load();
        let key = keys.keys.get(&parsed.kid).ok_or(Refused::BadSignature)?;
        key.verify_strict(parsed.signed, &parsed.signature)
            .map_err(|_| Refused::BadSignature)?;
        let claims = parsed
            .claims()
            .filter(|claims| keys.issuers.accept(claims))
            .ok_or(Refused::Malformed)?;
        Ok(Verified::new(claims, &parsed.kid, keys.epoch))
    }
}

impl Verified {
    fn new(claims: Claims, kid: &str, epoch: u64) -> Self {
        let principal = Principal {
            memberships: claims.memberships(),
            session_id: Some(claims.sid),
            roles: claims.roles,
            permissions: Permissions::new(claims.perms),
            ..Principal::new(PrincipalKind::User, claims.sub)
        };
        Self {
            principal: Arc::new(principal),
            csrf: claims.csrf,
            session: claims.sid,
            version: claims.ver,
            role_versions: claims.role_vers,
            organization_versions: claims.orgs.iter().map(|claim| claim.2).collect(),
            expires: claims.exp,
            kid: kid.to_owned(),
            epoch,
        }
    }
}
