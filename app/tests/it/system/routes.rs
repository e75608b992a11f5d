//! Every route, called by nobody, by the wrong person and with bad input. The OpenAPI document is the list of routes, and
//! a test elsewhere holds it to what is served.

use reqwest::Method;
use serde_json::{Value, json};

use super::{System, email};
use crate::{
    openapi::operations,
    stoa::{Caller, PASSWORD, token},
};

/// One operation of the document.
struct Route {
    method: Method,
    template: String,
    public: bool,
    permission: Option<String>,
    takes_json: bool,
}

impl Route {
    /// The path with a stranger's (that is, nobody's) ids filled in.
    fn path(&self) -> String {
        let mut path = String::new();
        for part in self.template.split('/').skip(1) {
            path.push('/');
            path.push_str(match part {
                "{key}" => "theme",
                "{name}" | "{role}" => "admin",
                "{code}" => "not_found",
                "{hash}" => "0000000000000000000000000000000000000000000000000000000000000000.png",
                id if id.starts_with('{') => "01890000-0000-7000-8000-000000000000",
                plain => plain,
            });
        }
        path
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }
}

async fn routes(stoa: &Caller) -> Vec<Route> {
    let document: Value = stoa.look("/api/openapi.json").await.json().await.unwrap();
    let routes: Vec<_> = operations(&document)
        .map(|(method, path, operation)| Route {
            method,
            template: path.to_owned(),
            public: operation["security"].as_array().is_none_or(|any| {
                any.iter()
                    .all(|one| one.as_object().is_some_and(serde_json::Map::is_empty))
            }),
            permission: operation["x-permission"].as_str().map(str::to_owned),
            takes_json: operation["requestBody"]["content"]["application/json"].is_object(),
        })
        .collect();
    assert!(routes.len() > 40, "only {} routes are described", routes.len());
    routes
}

fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_every_route_but_the_public_ones_says_401() {
    let stoa = System::start().await;
    let mut wrong = Vec::new();
    for route in routes(&stoa).await.iter().filter(|route| !route.public) {
        for bearer in [None, Some("nonsense"), Some("stoa_key_0000_nonsense")] {
            let mut request = stoa.request(route.method.clone(), &route.path());
            if let Some(bearer) = bearer {
                request = request.bearer_auth(bearer);
            }
            let answer = request.json(&json!({})).send().await.unwrap();
            let challenged = answer.headers().contains_key("www-authenticate");
            let status = answer.status();
            let body: Value = answer.json().await.unwrap_or_default();
            let is_told =
                route.method == Method::HEAD || body["request_id"].as_str().is_some_and(|id| !id.is_empty());
            if status != 401 || !challenged || !is_told {
                wrong.push(format!("{} with {bearer:?}: {status} {body}", route.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_permission_says_403_to_those_without_it() {
    let stoa = System::start().await;
    let somebody = stoa.register(&email("somebody")).await;
    let guarded: Vec<_> = routes(&stoa)
        .await
        .into_iter()
        .filter(|route| route.permission.is_some())
        .collect();
    assert!(
        guarded.len() > 10,
        "only {} routes need a permission",
        guarded.len()
    );
    let mut wrong = Vec::new();
    for route in guarded {
        let answer = stoa
            .request(route.method.clone(), &route.path())
            .bearer_auth(token(&somebody))
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status != 403 || code(&body) != "forbidden" {
            wrong.push(format!("{}: {status} {body}", route.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_what_is_somebody_elses() {
    let stoa = System::start().await;
    let (ada, eve) = (
        stoa.register(&email("ada")).await,
        stoa.register(&email("eve")).await,
    );
    let ada_id = ada["user"]["id"].as_str().unwrap();
    let sessions: Value = stoa
        .get("/api/v1/auth/sessions", token(&ada))
        .await
        .json()
        .await
        .unwrap();
    let session = sessions["items"][0]["id"].as_str().unwrap();
    let key: Value = stoa
        .request(Method::POST, "/api/v1/auth/api-keys")
        .bearer_auth(token(&ada))
        .json(&json!({"name": "mine", "scopes": ["profile.read"], "password": PASSWORD}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let key = key["id"].as_str().unwrap_or_else(|| panic!("{key}"));
    for (method, path) in [
        (Method::GET, format!("/api/v1/users/{ada_id}")),
        (Method::DELETE, format!("/api/v1/auth/sessions/{session}")),
        (Method::DELETE, format!("/api/v1/auth/api-keys/{key}")),
    ] {
        let answer = stoa
            .request(method.clone(), &path)
            .bearer_auth(token(&eve))
            .send()
            .await
            .unwrap();
        assert!(
            [403, 404].contains(&answer.status().as_u16()),
            "{method} {path}: {}",
            answer.status()
        );
    }
    assert_eq!(
        stoa.get("/api/v1/users/me", token(&ada)).await.status(),
        200,
        "Ada's session lives"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_the_field_named_and_never_with_500() {
    let stoa = System::start().await;
    let somebody = stoa.register(&email("somebody")).await;
    let mut wrong = Vec::new();
    for route in routes(&stoa)
        .await
        .iter()
        .filter(|route| route.takes_json && route.permission.is_none())
    {
        let send = |body: &'static str, media: &'static str| {
            stoa.request(route.method.clone(), &route.path())
                .bearer_auth(token(&somebody))
                .header("content-type", media)
                .body(body)
                .send()
        };
        for (body, media, status, field) in [
            ("{\"no_such_field\":1}", "application/json", 422, true),
            ("{\"cut", "application/json", 400, false),
            ("[]", "application/json", 422, false),
            ("a=b", "application/x-www-form-urlencoded", 415, false),
        ] {
            let answer = send(body, media).await.unwrap();
            let got = answer.status().as_u16();
            let problem: Value = answer.json().await.unwrap_or_default();
            let named = !field
                || problem["errors"]
                    .as_array()
                    .is_some_and(|errors| !errors.is_empty());
            if got != status || !named {
                wrong.push(format!("{} given {body}: {got} {problem}", route.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems_too() {
    let stoa = System::start().await;
    for (method, path, status, expected) in [
        (Method::GET, "/api/v1/nowhere", 404, "not_found"),
        (Method::GET, "/nowhere", 404, "not_found"),
        (Method::DELETE, "/api/v1/auth/login", 405, "method_not_allowed"),
        (Method::GET, "/api/v1/auth/../../etc/passwd", 404, "not_found"),
        (Method::GET, "/%2e%2e/%2e%2e/etc/passwd", 404, "not_found"),
    ] {
        let answer = stoa.request(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{method} {path}"
        );
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(code(&problem), expected, "{method} {path}");
    }
}
