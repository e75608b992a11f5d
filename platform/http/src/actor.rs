//! Who may call an endpoint, as the first argument of its handler: [`Actor`] or [`Anyone`]. [`endpoints!`](crate::endpoints) reads
//! it there and writes it into the description.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;
use stoa_kernel::{OrganizationRole, Principal, RequestFacts, SessionId};

use crate::{
    Failure, RequestInfo, Result,
    guard::{Guard, pass},
};

/// What an endpoint asks of its caller, as a type: [`SignedIn`], [`Person`], or one made by [`permission!`](crate::permission)
/// or [`scope!`](crate::scope).
pub trait Access: Send + Sync + 'static {
    /// What is known of the caller's session: its id, where only people with a session pass.
    type Session: Send;
    /// The condition.
    const GUARD: Guard;
    /// The roles that hold the permission on their organization's things, where it is one of [`owned!`](crate::owned).
    const ORGANIZATION_ROLES: &'static [OrganizationRole] = &[];

    /// What is known of the session of somebody who has passed; none is a mistake of [`Self::GUARD`].
    fn session(principal: &Principal) -> Option<Self::Session>;
}

/// Anybody who is signed in: a person or an API key, whatever its scopes.
pub struct SignedIn;

impl Access for SignedIn {
    type Session = ();
    const GUARD: Guard = Guard::SignedIn;

    fn session(_: &Principal) -> Option<()> {
        Some(())
    }
}

/// A signed-in person with a session, never an API key: for passwords, sessions, keys.
pub struct Person;

impl Access for Person {
    type Session = SessionId;
    const GUARD: Guard = Guard::Person;

    fn session(principal: &Principal) -> Option<SessionId> {
        principal.session_id
    }
}

/// `permission!(pub UsersRead = "users.read");`: everybody who holds the permission, by role; an API key needs it among its scopes as
/// well.
#[macro_export]
macro_rules! permission {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $text:literal) => {
        $crate::access!($(#[$meta])* $visibility $name = $text, Permission);
    };
}

/// `scope!(pub ProfileWrite = "profile.write");`: a person who acts for themselves; an API key of theirs needs the scope.
#[macro_export]
macro_rules! scope {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $text:literal) => {
        $crate::access!($(#[$meta])* $visibility $name = $text, Scope);
    };
}

/// `owned!(pub FilesWrite = "files.write", [Member, Admin, Owner]);`: a person who acts for themselves, or for an organization in which
/// their role is one of these; an API key needs the scope. For whom they act is asked of the request.
#[macro_export]
macro_rules! owned {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $text:literal, [$($role:ident),+ $(,)?]) => {
        $crate::access!($(#[$meta])* $visibility $name = $text, Owned, [$($role),+]);
        #[allow(dead_code, reason = "few ask for the action")]
        impl $name {
            /// As what it is asked of [`stoa_kernel::allow`].
            $visibility const ACTION: ::stoa_kernel::Action<'static> = ::stoa_kernel::Action {
                name: $text,
                organization_roles: <Self as $crate::Access>::ORGANIZATION_ROLES,
            };
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! access {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $text:literal, $guard:ident $(, [$($role:ident),+])?) => {
        $(#[$meta])*
        $visibility struct $name;
        #[allow(dead_code, reason = "few ask for the name")]
        impl $name {
            /// Its name.
            $visibility const NAME: &'static str = $text;
        }
        impl $crate::Access for $name {
            type Session = ();
            const GUARD: $crate::Guard = $crate::Guard::$guard(::std::borrow::Cow::Borrowed($text));
            $(const ORGANIZATION_ROLES: &'static [::stoa_kernel::OrganizationRole] =
                &[$(::stoa_kernel::OrganizationRole::$role),+];)?

            fn session(_: &::stoa_kernel::Principal) -> Option<()> {
                Some(())
            }
        }
    };
}

/// Who acts, and by which request, let in by `A`. Refuses with 401 or 403. It is a [`stoa_kernel::Actor`] for whatever is done on
/// their behalf.
pub struct Actor<A: Access> {
    actor: stoa_kernel::Actor,
    /// The session, where `A` is [`Person`].
    pub session: A::Session,
    access: PhantomData<A>,
}

impl<S: Send + Sync, A: Access> FromRequestParts<S> for Actor<A> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let principal = pass(parts, A::GUARD)?;
        let session =
            A::session(&principal).ok_or_else(|| Failure::internal("a person without a session"))?;
        let RequestInfo(request) = RequestInfo::of(parts)?;
        Ok(Self {
            actor: stoa_kernel::Actor { principal, request },
            session,
            access: PhantomData,
        })
    }
}

impl<A: Access> Deref for Actor<A> {
    type Target = stoa_kernel::Actor;

    fn deref(&self) -> &stoa_kernel::Actor {
        &self.actor
    }
}

/// The caller, signed in or not.
pub struct Anyone {
    /// The caller, if they are signed in.
    pub principal: Option<Arc<Principal>>,
    /// The request.
    pub request: Arc<RequestFacts>,
}

impl<S: Send + Sync> FromRequestParts<S> for Anyone {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self {
            principal: parts.extensions.get::<Arc<Principal>>().cloned(),
            request: RequestInfo::of(parts)?.0,
        })
    }
}
