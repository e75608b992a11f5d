//! What a route asks of its caller, noted so that a stored answer is given only to who would be let in again.

use std::{borrow::Cow, sync::Arc};

use http::request::Parts;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stoa_kernel::{Principal, PrincipalKind, Resource, allow};

use crate::{
    Failure, Result,
    authn::{Refusal, unauthenticated},
    codes,
};

/// One condition on a caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Signed in, as a person or by a key.
    SignedIn,
    /// A person with a session.
    Person,
    /// Holds this permission on everything.
    Permission(Cow<'static, str>),
    /// A person who acts for themselves, or a key of theirs with this scope.
    Scope(Cow<'static, str>),
    /// A person, or a key with this scope, for themselves or for an organization.
    Owned(Cow<'static, str>),
}

impl Guard {
    /// # Errors
    /// 403 when the condition does not hold.
    pub(crate) fn check(&self, principal: &Principal) -> Result<()> {
        match self {
            Self::SignedIn => Ok(()),
            Self::Person if principal.kind == PrincipalKind::User && principal.session_id.is_some() => Ok(()),
            Self::Person => Err(Failure::new(codes::FORBIDDEN).detail("An API key cannot do this; sign in.")),
            Self::Scope(_) if principal.organization_id.is_some() => Err(Failure::new(codes::FORBIDDEN)
                .detail("An organization's API key cannot do this; use a key of your own.")),
            Self::Permission(name) => {
                let noun = name.split_once('.').map_or(&**name, |(noun, _)| noun);
                let decision = allow(principal, &**name, &Resource::all(noun), &[]);
                decision.allowed.then_some(()).ok_or_else(|| forbidden(name))
            }
            Self::Scope(name) | Self::Owned(name) => principal
                .in_scope(name)
                .then_some(())
                .ok_or_else(|| forbidden(name)),
        }
    }
}

fn forbidden(permission: &str) -> Failure {
    Failure::new(codes::FORBIDDEN).detail(format!("This needs the permission {permission}."))
}

/// In the extensions of a request whose answer may be stored: the guards that it has passed.
#[derive(Clone, Default)]
pub(crate) struct Passed(Arc<Mutex<Vec<Guard>>>);

impl Passed {
    pub(crate) fn take(&self) -> Vec<Guard> {
        std::mem::take(&mut self.0.lock())
    }
}

/// The caller of a request, who passes `guard`.
///
/// # Errors
/// 401 when nobody is signed in, 403 when the guard refuses.
pub(crate) fn pass(parts: &Parts, guard: Guard) -> Result<Arc<Principal>> {
    let Some(principal) = parts.extensions.get::<Arc<Principal>>() else {
        let refusal = parts.extensions.get::<Refusal>();
        return Err(refusal.map_or_else(unauthenticated, |refusal| Failure::clone(&refusal.0)));
    };
    guard.check(principal)?;
    if let Some(Passed(guards)) = parts.extensions.get() {
        guards.lock().push(guard);
    }
    Ok(Arc::clone(principal))
}
