//! Two organizations and what their members may do, on every surface.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    System, email,
    journey::mailed_token,
    people::{read, send},
};
use crate::stoa::{PASSWORD, token};

const ORGANIZATIONS: &str = "/api/v1/auth/organizations";
/// How soon a change holds on every surface.
const SOON: Duration = Duration::from_secs(1);
/// What a machine that does other things as well makes anybody wait beside it.
const BUSY: Duration = Duration::from_secs(2);

/// Somebody whose address is verified.
async fn verified(stoa: &System, address: &str) -> Value {
    let person = stoa.register(address).await;
    let link = mailed_token(stoa, address, "verify?token=").await;
    let body = json!({ "token": link });
    send(
        stoa,
        Method::POST,
        "/api/v1/auth/email/verify",
        token(&person),
        body,
        204,
    )
    .await;
    person
}

/// The same person with a new access token.
pub(super) async fn again(stoa: &System, person: &Value) -> Value {
    let body = json!({ "refresh_token": person["refresh_token"] });
    let answer = stoa.post("/api/v1/auth/refresh", body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn found(stoa: &System, owner: &Value, name: &str) -> (String, Value) {
    let body = json!({ "name": name });
    let made = send(stoa, Method::POST, ORGANIZATIONS, token(owner), body, 201).await;
    (made["id"].as_str().unwrap().to_owned(), again(stoa, owner).await)
}

/// The owner of an organization, its id, and a member who was invited.
pub(super) async fn with_member(stoa: &System, owner: &str, member: &str) -> (Value, String, Value) {
    let owner = verified(stoa, owner).await;
    let (id, owner) = found(stoa, &owner, "Analytical Engines").await;
    let body = json!({ "email": member, "role": "member", "password": PASSWORD });
    let path = format!("{ORGANIZATIONS}/{id}/invitations");
    send(stoa, Method::POST, &path, token(&owner), body, 201).await;
    let link = mailed_token(stoa, member, "invitation?token=").await;
    let member = stoa.register(member).await;
    let path = format!("/api/v1/auth/invitations/{link}/accept");
    send(stoa, Method::POST, &path, token(&member), Value::Null, 200).await;
    refused(stoa, "/api/v1/users/me", token(&member)).await;
    let member = again(stoa, &member).await;
    (owner, id, member)
}

/// Until a request with this token is refused in a row as often as there may be processes that answer; how long that took.
async fn refused(stoa: &System, path: &str, secret: &str) -> Duration {
    let started = Instant::now();
    let mut refusals = 0;
    while refusals < 8 {
        let answer = stoa.get(path, secret).await;
        refusals = match answer.status() {
            StatusCode::UNAUTHORIZED => refusals + 1,
            _ => 0,
        };
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{path} still answers"
        );
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_invited_act_for_their_organization_and_are_refused_once_removed() {
    let stoa = System::start().await;
    let (ada, bob) = (email("ada"), email("bob"));
    let owner = verified(&stoa, &ada).await;
    let (one, owner) = found(&stoa, &owner, "One").await;
    let (two, owner) = found(&stoa, &owner, "Two").await;

    // Somebody without an account is invited to one of them, registers and accepts.
    let body = json!({ "email": bob, "role": "admin", "password": PASSWORD });
    let path = format!("{ORGANIZATIONS}/{one}/invitations");
    send(&stoa, Method::POST, &path, token(&owner), body, 201).await;
    let link = mailed_token(&stoa, &bob, "invitation?token=").await;
    let member = stoa.register(&bob).await;
    let path = format!("/api/v1/auth/invitations/{link}/accept");
    send(&stoa, Method::POST, &path, token(&member), Value::Null, 200).await;
    refused(&stoa, "/api/v1/users/me", token(&member)).await;
    let member = again(&stoa, &member).await;

    // They act for the one, and the other is not found by them.
    let members = |id: &str| format!("{ORGANIZATIONS}/{id}/members");
    let listed = read(&stoa, &members(&one), token(&member)).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(stoa.get(&members(&two), token(&member)).await.status(), 404);
    let terms =
        json!({ "name": "import", "scopes": ["members.read"], "role": "member", "password": PASSWORD });
    let path = format!("{ORGANIZATIONS}/{one}/api-keys");
    let made = send(&stoa, Method::POST, &path, token(&member), terms, 201).await;
    let key = made["key"].as_str().unwrap();
    for _ in 0..6 {
        read(&stoa, &members(&one), key).await;
        assert_eq!(stoa.get(&members(&two), key).await.status(), 404);
        assert_eq!(stoa.get("/api/v1/users/me", key).await.status(), 403);
    }

    // Removed, they are refused on every surface, and the key that they made with them.
    let path = format!("{}/{}", members(&one), member["user"]["id"].as_str().unwrap());
    send(&stoa, Method::DELETE, &path, token(&owner), Value::Null, 204).await;
    for (path, secret) in [
        ("/api/v1/users/me", token(&member)),
        ("/api/v1/auth/me", token(&member)),
        (&*members(&one), key),
    ] {
        let took = refused(&stoa, path, secret).await;
        assert!(took < SOON + BUSY, "{path} was refused after {took:?}");
    }
    let member = again(&stoa, &member).await;
    read(&stoa, "/api/v1/users/me", token(&member)).await;
    assert_eq!(stoa.get(&members(&one), token(&member)).await.status(), 404);

    // A deleted organization is nobody's any more; the other goes on.
    let path = format!("{ORGANIZATIONS}/{one}");
    let body = json!({ "password": PASSWORD });
    send(&stoa, Method::DELETE, &path, token(&owner), body, 200).await;
    refused(&stoa, "/api/v1/users/me", token(&owner)).await;
    let owner = again(&stoa, &owner).await;
    assert_eq!(stoa.get(&members(&one), token(&owner)).await.status(), 404);
    read(&stoa, &members(&two), token(&owner)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_link_is_not_valid_is_a_page_and_no_json() {
    let stoa = System::start().await;
    for path in ["/auth/verify", "/auth/reset", "/auth/invitation", "/auth/domain"] {
        let answer = stoa.look(&format!("{path}?token=none")).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let text = answer.text().await.unwrap();
        assert!(
            kind.starts_with("text/html") && text.contains("role=\"alert\""),
            "{path}: {kind} {text}"
        );
    }
}
