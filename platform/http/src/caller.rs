//! Who calls, as extractors: each states in a handler's signature who may call it.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use stoa_kernel::{Principal, PrincipalKind, Resource, SessionId, allow};

use crate::{
    Failure, Result,
    authn::{Refusal, unauthenticated},
    codes,
};

/// The signed-in caller: a person or a key. Refuses with 401. `Option<Caller>` is none for an anonymous one.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Principal>);

/// A permission as a type, made by [`permission!`](crate::permission).
pub trait Permission: Send + Sync + 'static {
    /// `noun.verb`.
    const NAME: &'static str;
}

/// `permission!(pub UsersRead = "users.read");`
#[macro_export]
macro_rules! permission {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $text:literal) => {
        $(#[$meta])*
        $visibility struct $name;
        impl $crate::Permission for $name {
            const NAME: &'static str = $text;
        }
    };
}

/// The caller, who holds permission `P` (by role; a key by scope as well). Refuses with 401 or 403.
pub struct Permit<P>(pub Arc<Principal>, PhantomData<P>);

/// A signed-in person acting for themselves: as [`Caller`], but an API key passes only if `P` is in its scopes.
pub struct Own<P>(pub Arc<Principal>, PhantomData<P>);

/// A signed-in person and the session, never a key: for passwords, sessions, keys.
#[derive(Clone, Debug)]
pub struct Person(pub Arc<Principal>, pub SessionId);

fn caller(parts: &Parts) -> Result<Arc<Principal>> {
    if let Some(principal) = parts.extensions.get::<Arc<Principal>>() {
        return Ok(Arc::clone(principal));
    }
    let refusal = parts.extensions.get::<Refusal>();
    Err(refusal.map_or_else(unauthenticated, |refusal| Failure::clone(&refusal.0)))
}

fn forbidden(permission: &str) -> Failure {
    Failure::new(codes::FORBIDDEN).detail(format!("This needs the permission {permission}."))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        caller(parts).map(Self)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        Ok(parts.extensions.get::<Arc<Principal>>().cloned().map(Self))
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Permit<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let principal = caller(parts)?;
        let noun = P::NAME.split_once('.').map_or(P::NAME, |(noun, _)| noun);
        if !allow(&principal, P::NAME, &Resource::all(noun), &[]).allowed {
            return Err(forbidden(P::NAME));
        }
        Ok(Self(principal, PhantomData))
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Own<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let principal = caller(parts)?;
        if !principal.in_scope(P::NAME) {
            return Err(forbidden(P::NAME));
        }
        Ok(Self(principal, PhantomData))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let principal = caller(parts)?;
        match (principal.kind, principal.session_id) {
            (PrincipalKind::User, Some(session)) => Ok(Self(principal, session)),
            _ => Err(Failure::new(codes::FORBIDDEN).detail("An API key cannot do this; sign in.")),
        }
    }
}

macro_rules! derefs {
    ($([$($generics:tt)*] $name:ty),*) => {$(
        impl $($generics)* Deref for $name {
            type Target = Principal;

            fn deref(&self) -> &Principal {
                &self.0
            }
        }
    )*};
}
derefs!([] Caller, [<P>] Permit<P>, [<P>] Own<P>, [] Person);
