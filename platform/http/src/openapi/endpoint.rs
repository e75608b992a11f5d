//! What a handler's signature says of its endpoint, written into the description.

use axum::routing::MethodRouter;
use serde_json::{Value, json};
use utoipa::{
    IntoResponses,
    openapi::{
        RefOr, Schema,
        extensions::ExtensionsBuilder,
        path::{Operation, Paths},
        security::SecurityRequirement,
    },
};

use super::{BEARER, OWNED, PERMISSION, PERSON, Problems, SCOPE, operations_mut};
use crate::{Access, Actor, Anyone, Guard, Result};

/// `endpoints!(list, create, read)`: a router of these handlers. Each has a `#[utoipa::path(…)]`, and its first argument says who may
/// call it: [`Actor`] or [`Anyone`]. That and the refusals that any endpoint may answer with are added to its description.
#[macro_export]
macro_rules! endpoints {
    ($($handler:path),* $(,)?) => {
        ::utoipa_axum::router::OpenApiRouter::new()
            $(.routes($crate::openapi::described(::utoipa_axum::routes!($handler), &$handler)))*
    };
}

/// What `utoipa_axum::routes!` makes.
type Routes<S> = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<S>);

/// Adds to the description of an endpoint what its handler says.
#[doc(hidden)]
pub fn described<S, H: Handler<A>, A>((schemas, mut paths, router): Routes<S>, _: &H) -> Routes<S> {
    for (_, operation) in paths.paths.values_mut().flat_map(operations_mut) {
        H::Caller::state(operation);
        for (status, refusal) in Problems::responses() {
            operation.responses.responses.entry(status).or_insert(refusal);
        }
    }
    (schemas, paths, router)
}

/// The first argument of a handler.
#[doc(hidden)]
pub trait Caller {
    /// Says in the description who may call.
    fn state(operation: &mut Operation);
}

impl Caller for Anyone {
    fn state(operation: &mut Operation) {
        operation.security = Some(vec![SecurityRequirement::default()]);
    }
}

impl<A: Access> Caller for Actor<A> {
    fn state(operation: &mut Operation) {
        operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], _>(BEARER, [])]);
        let (name, value) = match A::GUARD {
            Guard::SignedIn => return,
            Guard::Person => (PERSON, Value::Bool(true)),
            Guard::Permission(name) => (PERMISSION, name.into()),
            Guard::Scope(name) | Guard::Owned(name) => (SCOPE, name.into()),
        };
        // One alone, for several are written in no order.
        let (name, value) = match A::ORGANIZATION_ROLES {
            [] => (name, value),
            roles => {
                let roles: Vec<_> = roles.iter().map(|role| role.name()).collect();
                (OWNED, json!({ "scope": value, "organization_roles": roles }))
            }
        };
        let extensions = operation.extensions.get_or_insert_default();
        extensions.merge(ExtensionsBuilder::new().add(name, value).build());
    }
}

/// For a handler that has another way for those whom [`Actor`] refuses.
impl<A: Access> Caller for Result<Actor<A>> {
    fn state(operation: &mut Operation) {
        Actor::<A>::state(operation);
    }
}

/// A handler whose first argument is a [`Caller`].
#[doc(hidden)]
pub trait Handler<Arguments> {
    /// That argument.
    type Caller: Caller;
}

macro_rules! handlers {
    ($([$($argument:ident),*])*) => {$(
        impl<F, R, C: Caller, $($argument),*> Handler<(C, $($argument,)*)> for F
        where
            F: Fn(C, $($argument),*) -> R,
        {
            type Caller = C;
        }
    )*};
}

handlers!([][A1][A1, A2][A1, A2, A3][A1, A2, A3, A4][A1, A2, A3, A4, A5][A1, A2, A3, A4, A5, A6]);
