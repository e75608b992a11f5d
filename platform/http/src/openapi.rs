//! What all services' descriptions share, and reading back from them who may call what.
//!
//! Each endpoint says it by the first argument of its handler, see [`endpoints!`](crate::endpoints):
//! - `security: [{}]`: anybody.
//! - `security: [{"bearer": []}]`: everybody who is signed in.
//! - with `x-permission: users.read` besides: everybody who holds that permission.
//! - with `x-scope: profile.write`: an API key needs this scope, a person nothing.
//! - with `x-owned: {"scope": …, "organization_roles": […]}`: the same, for oneself or for an organization in one of these roles.
//! - with `x-person: true`: a person with a session, no API key.

mod complete;
mod endpoint;
mod text;

use std::collections::BTreeMap;

use http::Method;
use serde::Serialize;
use utoipa::{
    Modify, PartialSchema, ToSchema,
    openapi::{
        Components, Content, OpenApi, Ref, RefOr, Response, ResponseBuilder,
        path::{Operation, PathItem},
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

#[doc(hidden)]
pub use self::endpoint::{Caller, Handler, described};
pub use self::text::{to_json, to_pretty_json};
use stoa_kernel::OrganizationRole;

use crate::{FieldError, Problem, names};

/// Extension of an operation: the permission that its caller must hold.
pub const PERMISSION: &str = "x-permission";
/// Extension of an operation: the scope that an API key must have.
pub const SCOPE: &str = "x-scope";
/// Extension of an operation by which one may act for an organization: the `scope` that an API key must have, and the
/// `organization_roles` that may.
pub const OWNED: &str = "x-owned";
/// Extension of an operation: true where no API key is accepted.
pub const PERSON: &str = "x-person";
/// Extension of an operation: true where the body is stored while it arrives, so that it may be large and take long.
pub const UPLOAD: &str = "x-upload";
/// Security scheme: an access token or API key as `Authorization: Bearer`.
pub const BEARER: &str = "bearer";
/// Security scheme: the session cookie of a browser.
pub const COOKIE: &str = "cookie";
/// Security scheme: an API key in a header of its own.
pub const API_KEY: &str = "api_key";

/// The description as it is published: a parameter that takes the rest of a path, `{*path}`, is `{path}` there, for OpenAPI has no
/// word for it.
#[must_use]
pub fn published(openapi: &OpenApi) -> OpenApi {
    let mut openapi = openapi.clone();
    let paths = std::mem::take(&mut openapi.paths.paths);
    openapi.paths.paths = paths
        .into_iter()
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    openapi
}

/// The statuses that any operation may answer with a [`Problem`].
const PROBLEMS: &[(u16, &str)] = &[
    (400, "The request cannot be read"),
    (401, "The caller is not signed in"),
    (403, "The caller may not do this"),
    (404, "Not found"),
    (409, "It was changed by another request"),
    (412, "It was changed since it was read"),
    (413, "The request is too large"),
    (415, "The media type is not accepted"),
    (422, "The input is not valid"),
    (429, "Too many requests"),
    (500, "A fault of the server"),
    (503, "Not possible just now"),
];

/// Of these, what the edge answers before an operation is asked: for a token that is no good, and for too many requests.
const EDGE: &[u16] = &[401, 429];

/// For `responses(…, Problems)` in `#[utoipa::path]`: the refusals that any operation may answer with, as [`Problem`].
/// They refer to what [`Shared`] adds to the description.
pub struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refer = |status: &u16| Ref::from_response_name(response_name(*status)).into();
        PROBLEMS
            .iter()
            .map(|(status, _)| (status.to_string(), refer(status)))
            .collect()
    }
}

fn response_name(status: u16) -> String {
    format!("Problem{status}")
}

/// Adds to a description what all services refer to: the problem's schema and responses, and the security schemes.
/// Every operation can be refused by the edge, and says so, and takes the headers of all. Beside bearer tokens, whatever is open to them is open to cookies, and to API keys
/// unless it is for people alone.
pub struct Shared;

impl Modify for Shared {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Components::default);
        components
            .schemas
            .insert(Problem::name().into_owned(), Problem::schema());
        components
            .schemas
            .insert(FieldError::name().into_owned(), FieldError::schema());
        for (status, description) in PROBLEMS {
            let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
            let response = ResponseBuilder::new()
                .description(*description)
                .content("application/problem+json", content);
            components
                .responses
                .insert(response_name(*status), response.build().into());
        }
        components.add_security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let cookie = ApiKeyValue::with_description(
            names::ACCESS_COOKIE,
            "Unsafe methods need the header x-csrf-token with the value of the cookie stoa_csrf as well. Over https the cookies \
             are named __Host-stoa_access and __Host-stoa_csrf.",
        );
        components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(names::API_KEY_HEADER)));
        components.add_security_scheme(API_KEY, key);
        let bearer = SecurityRequirement::new::<_, [&str; 0], _>(BEARER, []);
        for (_, operation) in openapi.paths.paths.values_mut().flat_map(operations_mut) {
            for status in EDGE {
                let refusal = || Ref::from_response_name(response_name(*status)).into();
                operation
                    .responses
                    .responses
                    .entry(status.to_string())
                    .or_insert_with(refusal);
            }
            if let Some(security) = operation
                .security
                .as_mut()
                .filter(|security| security.contains(&bearer))
            {
                let people = operation
                    .extensions
                    .as_ref()
                    .is_some_and(|known| known.contains_key(PERSON));
                let others = [COOKIE, API_KEY]
                    .into_iter()
                    .filter(|other| !people || *other != API_KEY);
                for other in others {
                    let other = SecurityRequirement::new::<_, [&str; 0], _>(other, []);
                    if !security.contains(&other) {
                        security.push(other);
                    }
                }
            }
        }
        complete::complete(openapi);
    }
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem {
        get,
        put,
        post,
        delete,
        options,
        head,
        patch,
        ..
    } = item;
    [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::OPTIONS, options),
        (Method::HEAD, head),
        (Method::PATCH, patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Who may call a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever holds this permission.
    Permission(String),
    /// The route does not say: a mistake, which the test that walks the route table finds.
    Unstated,
}

/// One route, as its description tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: String,
    /// Who may call it.
    pub access: Access,
    /// The scope that an API key needs, if it is not the permission.
    pub scope: Option<String>,
    /// The roles that may do it for their organization.
    pub organization_roles: Vec<OrganizationRole>,
}

/// All routes of a description.
#[must_use]
pub fn routes(openapi: &OpenApi) -> Vec<RouteInfo> {
    let paths = openapi.paths.paths.iter();
    paths
        .flat_map(|(path, item)| operations(item).map(|(method, operation)| route(path, method, operation)))
        .collect()
}

/// A permission or scope that endpoints ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// `noun.verb`.
    pub name: String,
    /// The roles that hold it on the things of their organization.
    pub organization_roles: Vec<OrganizationRole>,
}

/// The permissions and scopes that the endpoints of a description ask for, by name.
#[must_use]
pub fn permissions(openapi: &OpenApi) -> Vec<Permission> {
    let mut known: BTreeMap<String, Vec<OrganizationRole>> = BTreeMap::new();
    for route in routes(openapi) {
        let permission = match route.access {
            Access::Permission(name) => Some(name),
            _ => None,
        };
        for name in [permission, route.scope].into_iter().flatten() {
            let roles = known.entry(name).or_default();
            roles.extend(&route.organization_roles);
        }
    }
    let permission = |(name, mut organization_roles): (_, Vec<_>)| {
        organization_roles.sort();
        organization_roles.dedup();
        Permission {
            name,
            organization_roles,
        }
    };
    known.into_iter().map(permission).collect()
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
        (Method::OPTIONS, &item.options),
        (Method::HEAD, &item.head),
        (Method::PATCH, &item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn owned(operation: &Operation) -> Option<&serde_json::Value> {
    operation.extensions.as_ref()?.get(OWNED)
}

fn organization_roles(operation: &Operation) -> Vec<OrganizationRole> {
    let listed = owned(operation).and_then(|owned| owned.get("organization_roles")?.as_array());
    let names = listed.into_iter().flatten().filter_map(|name| name.as_str());
    names.filter_map(OrganizationRole::of_name).collect()
}

fn route(path: &str, method: Method, operation: &Operation) -> RouteInfo {
    let extension = |name: &str| {
        let value = operation.extensions.as_ref()?.get(name)?;
        value.as_str().map(str::to_owned)
    };
    let anybody =
        |security: &Vec<_>| security.is_empty() || security.contains(&SecurityRequirement::default());
    let access = match (extension(PERMISSION), &operation.security) {
        (Some(permission), _) => Access::Permission(permission),
        (None, None) => Access::Unstated,
        (None, Some(security)) if anybody(security) => Access::Public,
        (None, Some(_)) => Access::SignedIn,
    };
    RouteInfo {
        method,
        path: path.to_owned(),
        access,
        scope: extension(SCOPE).or_else(|| {
            let scope = owned(operation)?.get("scope")?;
            scope.as_str().map(str::to_owned)
        }),
        organization_roles: organization_roles(operation),
    }
}
