//! What the description tells of routes.

use http::Method;
use serde_json::{Value, json};
use stoa_http::{
    Actor, Anyone, Json, Person, Problems, endpoints,
    openapi::{Access, Permission, RouteInfo, Shared, permissions, routes},
    owned, permission, scope,
};
use stoa_kernel::OrganizationRole;
use utoipa::{Modify, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

permission!(ThingsDelete = "things.delete");
scope!(MineWrite = "mine.write");
owned!(OursWrite = "ours.write", [Owner, Member]);

#[utoipa::path(get, path = "/open", responses((status = 200, body = String)))]
async fn open(_: Anyone) -> Json<&'static str> {
    Json("open")
}

#[utoipa::path(post, path = "/mine/{id}", params(("id" = String, Path)), responses((status = 200, body = String)))]
async fn mine(_: Actor<MineWrite>) -> Json<&'static str> {
    Json("mine")
}

#[utoipa::path(post, path = "/ours", responses((status = 204)))]
async fn ours(_: Actor<OursWrite>) {}

#[utoipa::path(delete, path = "/open", responses((status = 204)))]
async fn remove(_: Actor<ThingsDelete>) {}

#[utoipa::path(put, path = "/mine/{id}", params(("id" = String, Path)), responses((status = 204)))]
async fn by_hand(_: Actor<Person>) {}

#[utoipa::path(get, path = "/forgotten", responses((status = 200, body = String), Problems))]
async fn forgotten() {}

fn description() -> OpenApi {
    let router: OpenApiRouter = endpoints!(open, remove, mine, ours, by_hand);
    let mut openapi = router.routes(routes!(forgotten)).into_openapi();
    Shared.modify(&mut openapi);
    openapi
}

#[test]
fn every_route_tells_who_may_call_it() {
    let route = |method, path: &str, access, scope: Option<&str>| RouteInfo {
        method,
        path: path.to_owned(),
        access,
        scope: scope.map(str::to_owned),
        organization_roles: Vec::new(),
    };
    let ours = RouteInfo {
        organization_roles: vec![OrganizationRole::Owner, OrganizationRole::Member],
        ..route(Method::POST, "/ours", Access::SignedIn, Some("ours.write"))
    };
    let mut told = routes(&description());
    told.sort_by_key(|route| (route.path.clone(), route.method.to_string()));
    let expected = [
        route(Method::GET, "/forgotten", Access::Unstated, None),
        route(Method::POST, "/mine/{id}", Access::SignedIn, Some("mine.write")),
        route(Method::PUT, "/mine/{id}", Access::SignedIn, None),
        route(
            Method::DELETE,
            "/open",
            Access::Permission("things.delete".to_owned()),
            None,
        ),
        route(Method::GET, "/open", Access::Public, None),
        ours,
    ];
    assert_eq!(told, expected);
}

#[test]
fn permissions_are_listed_with_the_roles_that_hold_them() {
    let permission = |name: &str, organization_roles: &[OrganizationRole]| Permission {
        name: name.to_owned(),
        organization_roles: organization_roles.to_vec(),
    };
    assert_eq!(
        permissions(&description()),
        [
            permission("mine.write", &[]),
            permission("ours.write", &[OrganizationRole::Member, OrganizationRole::Owner]),
            permission("things.delete", &[]),
        ]
    );
}

#[test]
fn every_response_is_described_and_every_schema_used() {
    let document = serde_json::to_value(description()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let told = response.get("$ref").or(response.get("description"));
                assert!(told.is_some_and(|told| told != ""), "{path} {status}");
            }
        }
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            references.contains(&format!("#/components/schemas/{name}")),
            "{name}"
        );
    }
    assert_eq!(document["servers"][0]["url"], "/");
}

#[test]
fn headers_of_all_are_described_where_they_count() {
    let document = serde_json::to_value(description()).unwrap();
    let headers = |path: &str, method: &str| {
        let parameters = document["paths"][path][method]["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let named = parameters
            .iter()
            .filter_map(|parameter| parameter["$ref"].as_str()?.rsplit('/').next());
        named.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(headers("/mine/{id}", "post"), ["CsrfToken", "IdempotencyKey"]);
    assert_eq!(headers("/open", "delete"), ["CsrfToken"]);
    assert_eq!(headers("/open", "get"), [""; 0]);
    let parameters = &document["components"]["parameters"];
    assert_eq!(parameters["CsrfToken"]["name"], "x-csrf-token");
    assert_eq!(parameters["IdempotencyKey"]["name"], "Idempotency-Key");
    assert_eq!(parameters["IdempotencyKey"]["in"], "header");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(description()).unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.contains(&"#/components/responses/Problem422".to_owned()));
    for reference in references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
}

#[test]
fn what_is_open_to_tokens_is_open_to_cookies_and_unless_it_is_for_people_to_keys() {
    let document = serde_json::to_value(description()).unwrap();
    assert_eq!(
        document["paths"]["/mine/{id}"]["post"]["security"],
        json!([{"bearer": []}, {"cookie": []}, {"api_key": []}])
    );
    let by_hand = &document["paths"]["/mine/{id}"]["put"];
    assert_eq!(by_hand["security"], json!([{"bearer": []}, {"cookie": []}]));
    assert_eq!(by_hand["x-person"], true);
    assert_eq!(document["paths"]["/open"]["get"]["security"], json!([{}]));
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(
        schemes.keys().collect::<Vec<_>>(),
        ["api_key", "bearer", "cookie"]
    );
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn a_problem_is_described_as_it_is_sent() {
    let document = serde_json::to_value(description()).unwrap();
    let schema = &document["components"]["schemas"]["Problem"];
    assert_eq!(schema["required"], json!(["type", "title", "status", "code"]));
    let types = |name: &str| schema["properties"][name]["type"].clone();
    assert_eq!(
        [types("code"), types("detail"), types("request_id")],
        ["string", "string", "string"]
    );
    assert_eq!(types("errors"), "array");
}
