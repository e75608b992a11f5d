//! Who calls, as extractors: each states in a handler's signature who may call it.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use stoa_kernel::{Principal, SessionId};

use crate::{
    Failure, Result,
    guard::{Guard, pass},
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

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        pass(parts, Guard::SignedIn).map(Self)
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
        let principal = pass(parts, Guard::Permission(P::NAME.into()))?;
        Ok(Self(principal, PhantomData))
    }
}

impl<S: Send + Sync, P: Permission> FromRequestParts<S> for Own<P> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let principal = pass(parts, Guard::Scope(P::NAME.into()))?;
        Ok(Self(principal, PhantomData))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Person {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let principal = pass(parts, Guard::Person)?;
        let session = principal
            .session_id
            .ok_or_else(|| Failure::internal("a person without a session"))?;
        Ok(Self(principal, session))
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
