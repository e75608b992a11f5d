//! Who calls: access token, API key, or session cookie with its CSRF token.

use std::{pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use stoa_kernel::Principal;
use subtle::ConstantTimeEq;

use crate::{
    Code, Failure, Refused, RequestInfo, Result, Verifier, codes, names, session_cookie, token::csrf_claim,
};

/// How the edge turns an API key into a principal; set by the composition root (auth's rpc). Answers are cached by the
/// implementation. None: there is no such key.
pub trait KeyAuthority: Send + Sync {
    /// Whose key it is.
    fn authenticate<'a>(&'a self, key: &'a str) -> KeyAnswer<'a>;
}

/// What a [`KeyAuthority`] answers.
pub type KeyAnswer<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<Principal>>>> + Send + 'a>>;

/// What a request presents.
#[derive(Debug)]
pub enum Presented<'a> {
    /// No credentials.
    Nothing,
    /// Good ones.
    Principal(Arc<Principal>),
    /// An API key, to be asked of the [`KeyAuthority`].
    Key(&'a str),
}

/// In a request's extensions: why the credentials that came with it do not count.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(pub(crate) Arc<Failure>);

/// Reads and checks a request's credentials, as far as no other service has to be asked. For a token that was seen
/// before it allocates nothing. `secure`: whether the request came by https. `Authorization` counts before `x-api-key`, and that before the cookie.
/// Another scheme than `Bearer` is not for us: a proxy in front may ask for a password of its own.
///
/// # Errors
/// 401 for a bad or expired token, 403 for a cookie without its CSRF token on an unsafe method.
pub fn present<'a>(
    headers: &'a HeaderMap,
    method: &Method,
    secure: bool,
    verifier: &Verifier,
) -> Result<Presented<'a>> {
    if let Some(credentials) = bearer(headers) {
        if credentials.starts_with(names::API_KEY_PREFIX) {
            return Ok(Presented::Key(credentials));
        }
        return verifier
            .verify(credentials)
            .map(Presented::Principal)
            .map_err(refused);
    }
    if let Some(value) = headers.get(names::API_KEY_HEADER) {
        let key = value
            .to_str()
            .ok()
            .filter(|key| key.starts_with(names::API_KEY_PREFIX));
        return key
            .map(Presented::Key)
            .ok_or_else(|| invalid(codes::UNAUTHENTICATED));
    }
    match session_cookie(headers, names::ACCESS_COOKIE, secure) {
        Some(token) => by_cookie(token, headers, method, secure, verifier).map(Presented::Principal),
        None => Ok(Presented::Nothing),
    }
}

/// The text of a request's credentials, for a service that keeps them open for as long as a connection lasts.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// An access token of `Authorization`.
    Token(&'a str),
    /// An access token of the session cookie.
    Cookie(&'a str),
    /// An API key.
    Key(&'a str),
}

/// The credentials that [`present`] reads, unchecked.
#[must_use]
pub fn credential(headers: &HeaderMap, secure: bool) -> Option<Credential<'_>> {
    if let Some(text) = bearer(headers) {
        let key = text.starts_with(names::API_KEY_PREFIX);
        return Some(if key {
            Credential::Key(text)
        } else {
            Credential::Token(text)
        });
    }
    if let Some(value) = headers.get(names::API_KEY_HEADER) {
        return value.to_str().ok().map(Credential::Key);
    }
    session_cookie(headers, names::ACCESS_COOKIE, secure).map(Credential::Cookie)
}

/// Who calls; none for an anonymous caller.
///
/// # Errors
/// As [`present`]; also 401 for an unknown API key, or what the key authority fails with.
pub async fn authenticate(
    headers: &HeaderMap,
    method: &Method,
    secure: bool,
    verifier: &Verifier,
    keys: Option<&dyn KeyAuthority>,
) -> Result<Option<Arc<Principal>>> {
    match present(headers, method, secure, verifier)? {
        Presented::Nothing => Ok(None),
        Presented::Principal(principal) => Ok(Some(principal)),
        Presented::Key(key) => {
            let principal = match keys {
                Some(keys) => keys.authenticate(key).await?,
                None => None,
            };
            principal.map(Some).ok_or_else(|| invalid(codes::UNAUTHENTICATED))
        }
    }
}

/// [`authenticate`]s a request and puts `Arc<Principal>` into its extensions, where [`Caller`](crate::Caller) and its
/// like look for it. Whether it came by https says its [`RequestInfo`].
///
/// Bad credentials fail the request only where somebody signed in is asked for: a client sends its access token along whether it is
/// wanted or not, and must be able to refresh one that is out of date, and to sign in again.
pub async fn admit(parts: &mut Parts, verifier: &Verifier, keys: Option<&dyn KeyAuthority>) {
    let info = parts.extensions.get::<RequestInfo>();
    let secure = info.is_some_and(|info| info.secure);
    match authenticate(&parts.headers, &parts.method, secure, verifier, keys).await {
        Ok(None) => {}
        Ok(Some(principal)) => {
            parts.extensions.insert(principal);
        }
        Err(failure) => {
            parts.extensions.insert(Refusal(Arc::new(failure)));
        }
    }
}

/// The text of the API key that a request came with, whichever header it stands in.
pub(crate) fn presented_key(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| headers.get(names::API_KEY_HEADER)?.to_str().ok())
}

/// The credentials of `Authorization`, if its scheme is `Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| credentials.trim_start())
}

fn by_cookie(
    token: &str,
    headers: &HeaderMap,
    method: &Method,
    secure: bool,
    verifier: &Verifier,
) -> Result<Arc<Principal>> {
    let verified = verifier.check(token).map_err(refused)?;
    let claim = verified
        .csrf
        .as_deref()
        .ok_or_else(|| refused(Refused::Misplaced))?;
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !proves_origin(headers, secure, claim) {
        return Err(Failure::new(codes::CSRF));
    }
    Ok(Arc::clone(&verified.principal))
}

/// Whether the header repeats the CSRF cookie, and that is the token that goes with the session.
fn proves_origin(headers: &HeaderMap, secure: bool, claim: &str) -> bool {
    let header = headers
        .get(names::CSRF_HEADER)
        .and_then(|value| value.to_str().ok());
    let (Some(header), Some(cookie)) = (header, session_cookie(headers, names::CSRF_COOKIE, secure)) else {
        return false;
    };
    let same = header.as_bytes().ct_eq(cookie.as_bytes());
    bool::from(same & csrf_claim(header).as_bytes().ct_eq(claim.as_bytes()))
}

/// 401 for a caller without credentials.
pub(crate) fn unauthenticated() -> Failure {
    Failure::new(codes::UNAUTHENTICATED).header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// 401 for credentials that are no good.
fn invalid(code: Code) -> Failure {
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    Failure::new(code).header(header::WWW_AUTHENTICATE, challenge)
}

fn refused(why: Refused) -> Failure {
    invalid(why.code())
}

impl Refused {
    /// What the caller is told.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Malformed | Self::BadSignature | Self::Misplaced => codes::UNAUTHENTICATED,
            Self::Expired => codes::TOKEN_EXPIRED,
            Self::Revoked => codes::TOKEN_REVOKED,
            Self::Stale => codes::TOKEN_STALE,
        }
    }
}
