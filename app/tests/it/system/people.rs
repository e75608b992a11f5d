//! What people do with their accounts and profiles.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{System, email};
use crate::stoa::{Caller, PASSWORD, token};

/// Sends `body` with a token, expects `status`, and returns the answer's JSON.
pub(super) async fn send(
    stoa: &Caller,
    method: Method,
    path: &str,
    token: &str,
    body: Value,
    status: u16,
) -> Value {
    let request = stoa.request(method.clone(), path).bearer_auth(token);
    let request = if body.is_null() {
        request
    } else {
        request.json(&body)
    };
    let answer = request.send().await.unwrap();
    let got = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(got.as_u16(), status, "{method} {path}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

pub(super) async fn read(stoa: &Caller, path: &str, token: &str) -> Value {
    send(stoa, Method::GET, path, token, Value::Null, 200).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_request_wrote_the_next_one_reads_wherever_it_lands() {
    let stoa = System::start().await;
    let ada = stoa.register(&email("ada")).await;
    for number in 0..20 {
        let path = "/api/v1/users/me/preferences/number";
        send(
            &stoa,
            Method::PUT,
            path,
            token(&ada),
            json!({"value": number}),
            200,
        )
        .await;
        assert_eq!(read(&stoa, path, token(&ada)).await["value"], number);
        let me = json!({"bio": format!("the {number}th")});
        send(
            &stoa,
            Method::PATCH,
            "/api/v1/users/me",
            token(&ada),
            me.clone(),
            200,
        )
        .await;
        assert_eq!(
            read(&stoa, "/api/v1/users/me", token(&ada)).await["bio"],
            me["bio"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_an_idempotency_key_is_done_once() {
    let stoa = System::start().await;
    let ada = stoa.register(&email("ada")).await;
    let make = || async {
        let request = stoa
            .request(Method::POST, "/api/v1/auth/api-keys")
            .bearer_auth(token(&ada))
            .header("idempotency-key", "once")
            .json(&json!({"name": "mine", "scopes": ["profile.read"], "password": PASSWORD}));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()["id"].clone()
    };
    let first = make().await;
    for _ in 0..6 {
        assert_eq!(make().await, first);
    }
    let keys = read(&stoa, "/api/v1/auth/api-keys", token(&ada)).await;
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_works_until_it_is_removed_and_a_second_longer_at_most() {
    let stoa = System::start().await;
    let ada = stoa.register(&email("ada")).await;
    let terms = json!({"name": "mine", "scopes": ["profile.read"], "password": PASSWORD});
    let key = send(
        &stoa,
        Method::POST,
        "/api/v1/auth/api-keys",
        token(&ada),
        terms,
        201,
    )
    .await;
    let secret = key["key"].as_str().unwrap_or_else(|| panic!("{key}"));
    for _ in 0..6 {
        read(&stoa, "/api/v1/users/me", secret).await;
    }
    let path = format!("/api/v1/auth/api-keys/{}", key["id"].as_str().unwrap());
    send(&stoa, Method::DELETE, &path, token(&ada), Value::Null, 204).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for _ in 0..6 {
        assert_eq!(stoa.get("/api/v1/users/me", secret).await.status(), 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avatar_is_served_by_every_process() {
    let stoa = System::start().await;
    let ada = stoa.register(&email("ada")).await;
    let picture = stoa
        .request(Method::PUT, "/api/v1/users/me/avatar")
        .bearer_auth(token(&ada))
        .header("content-type", "image/png")
        .body(PNG)
        .send()
        .await
        .unwrap();
    assert_eq!(picture.status(), 200);
    let profile: Value = picture.json().await.unwrap();
    let url = profile["avatar_url"].as_str().unwrap();
    for _ in 0..6 {
        let served = stoa.look(url).await;
        assert_eq!(
            (served.status(), &served.headers()["content-type"]),
            (StatusCode::OK, &"image/png".parse().unwrap())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_forgotten_by_all_services() {
    let stoa = System::start().await;
    let ada = email("ada");
    let registered = stoa.register(&ada).await;
    let gone = stoa
        .request(Method::DELETE, "/api/v1/auth/account")
        .bearer_auth(token(&registered))
        .json(&json!({"password": PASSWORD}))
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204, "{}", gone.text().await.unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        stoa.get("/api/v1/users/me", token(&registered)).await.status(),
        401
    );
    let again = stoa.register(&ada).await;
    let exported = read(&stoa, "/api/v1/users/me/export", token(&again)).await;
    assert!(
        !exported
            .to_string()
            .contains(registered["user"]["id"].as_str().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_that_fit_together() {
    let stoa = System::start().await;
    let ada = email("ada");
    let mut last = stoa.register(&ada).await;
    for _ in 0..4 {
        last = stoa.login(&ada).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(
            &stoa,
            &format!("/api/v1/auth/sessions?limit=2{cursor}"),
            token(&last),
        )
        .await;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

/// One red pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0,
    0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0x0c, 0x49, 0x44, 0x41, 0x54, 0x08, 0xd7, 0x63,
    0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae,
    0x42, 0x60, 0x82,
];
