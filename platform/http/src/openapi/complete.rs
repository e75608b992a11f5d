//! What no route has to say of itself: headers that any request may carry, and descriptions that the standard asks for.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::Value;
use utoipa::openapi::{
    Components, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response, Schema, Server, Type,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBody,
    security::SecurityRequirement,
};

use super::{COOKIE, operations_mut, response_name};
use crate::names;

/// Parameters of all routes, by their name among the components.
const IDEMPOTENCY_KEY: &str = "IdempotencyKey";
const CSRF_TOKEN: &str = "CsrfToken";
/// What a request with an `Idempotency-Key` may be refused with besides.
const KEYED: &[u16] = &[409, 422];

/// Completes a description whose routes have said who may call them.
pub(super) fn complete(openapi: &mut OpenApi) {
    if openapi.servers.is_none() {
        openapi.servers = Some(vec![Server::new("/")]);
    }
    let mut components = openapi.components.take().unwrap_or_default();
    components
        .parameters
        .insert(IDEMPOTENCY_KEY.to_owned(), idempotency_key().into());
    components
        .parameters
        .insert(CSRF_TOKEN.to_owned(), csrf_token().into());
    for item in openapi.paths.paths.values_mut() {
        for (method, operation) in operations_mut(item) {
            add_headers(&method, operation);
            describe_responses(operation, &components);
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                drop_null(body);
            }
        }
    }
    openapi.components = Some(components);
    drop_unused(openapi);
}

fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[ -~]*$"));
    header(
        "Idempotency-Key",
        "A text of your own for this request. Sent again by the same session or API key with the same query and body, it is not done \
         again but answered as before, with `Idempotency-Replayed: true`, for 24 hours. Refusals are not kept.",
        text.into(),
    )
}

fn csrf_token() -> Parameter {
    header(
        names::CSRF_HEADER,
        "The value of the cookie `stoa_csrf` (over https `__Host-stoa_csrf`). Needed where the session is kept in cookies; otherwise it is ignored.",
        ObjectBuilder::new().schema_type(Type::String).into(),
    )
}

fn header(name: &str, description: &str, schema: Schema) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .required(Required::False)
        .schema(Some(schema))
        .build()
}

fn add_headers(method: &Method, operation: &mut Operation) {
    let by_cookie = SecurityRequirement::new::<_, [&str; 0], _>(COOKIE, []);
    let by_cookie = operation
        .security
        .as_ref()
        .is_some_and(|security| security.contains(&by_cookie));
    let mut add = |name: &str| {
        let parameter = Ref::new(format!("#/components/parameters/{name}"));
        operation
            .parameters
            .get_or_insert_default()
            .push(RefOr::Ref(parameter));
    };
    if by_cookie && !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        add(CSRF_TOKEN);
    }
    if *method == Method::POST {
        add(IDEMPOTENCY_KEY);
        for status in KEYED {
            let refusal = || Ref::from_response_name(response_name(*status)).into();
            operation
                .responses
                .responses
                .entry(status.to_string())
                .or_insert_with(refusal);
        }
    }
}

/// A response without words of its own is described as what it holds.
fn describe_responses(operation: &mut Operation, components: &Components) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            response.description = content_of(response, components).unwrap_or_else(|| reason(status));
        }
    }
}

fn content_of(response: &Response, components: &Components) -> Option<String> {
    let content = response.content.values().next()?;
    let RefOr::T(content) = content else { return None };
    let Some(RefOr::Ref(schema)) = &content.schema else {
        return None;
    };
    let name = schema.ref_location.strip_prefix("#/components/schemas/")?;
    match components.schemas.get(name)? {
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        _ => None,
    }
}

fn reason(status: &str) -> String {
    let reason = status
        .parse()
        .ok()
        .and_then(|status: StatusCode| status.canonical_reason());
    reason.unwrap_or("The answer").to_owned()
}

/// A body that may be left out is described as it is when it is there, and not as null.
fn drop_null(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::T(Schema::OneOf(either))) = &mut content.schema
            && let [_, RefOr::Ref(schema)] = &either.items[..]
        {
            content.schema = Some(RefOr::Ref(schema.clone()));
        }
    }
}

/// Schemas that nothing refers to are left out, until all are referred to.
fn drop_unused(openapi: &mut OpenApi) {
    loop {
        let document = serde_json::to_value(&*openapi).unwrap_or_default();
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let Some(components) = &mut openapi.components else {
            return;
        };
        let before = components.schemas.len();
        components
            .schemas
            .retain(|name, _| used.contains(&format!("#/components/schemas/{name}")));
        if components.schemas.len() == before {
            return;
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
