//! Requests that are repeated with an `Idempotency-Key`: by those who made them, and by others.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use stoa_auth_api::KeyClient;
use stoa_db::db_test;
use stoa_http::names::{CSRF_COOKIE, CSRF_HEADER, REFRESH_COOKIE};
use stoa_testkit::{Answer, Call, TestApp, assert_problem};

use crate::{PASSWORD, SignedIn, admin::root, api_keys, auth, register};

stoa_testkit::app!(
    App,
    auth(|_| {}).keys(|directory, cache| Arc::new(KeyClient::new(directory, cache)))
);

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

fn new_role(app: &TestApp, name: &str) -> Call {
    let body = json!({ "name": name, "description": "for tests", "permissions": [] });
    app.post("/api/v1/auth/roles").json(&body).idempotency_key("role")
}

#[db_test]
async fn a_stolen_key_of_a_refresh_gives_no_session_without_its_cookie(app: App) {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let signed_in = app
        .post("/api/v1/auth/register?mode=cookie")
        .json(&body)
        .send()
        .await
        .expect(201);
    let cookie = |name| signed_in.set_cookie(name).unwrap().to_owned();
    let (token, csrf) = (cookie(REFRESH_COOKIE), cookie(CSRF_COOKIE));
    let ask = || {
        app.post("/api/v1/auth/refresh?mode=cookie")
            .idempotency_key("tab-1")
    };
    let by_owner = || ask().cookie(REFRESH_COOKIE, &token).header(CSRF_HEADER, &csrf);
    let first = by_owner().send().await.expect(200);
    for strange in [
        ask(),
        ask().cookie(REFRESH_COOKIE, "stolen"),
        ask().header(CSRF_HEADER, &csrf),
    ] {
        let answer = strange.send().await;
        assert_eq!((answer.status(), answer.set_cookie(REFRESH_COOKIE)), (401, None));
    }
    let again = by_owner().send().await.expect(200);
    assert!(replayed(&again));
    assert_eq!(again.set_cookie(REFRESH_COOKIE), first.set_cookie(REFRESH_COOKIE));
}

#[db_test]
async fn an_api_key_does_not_get_what_its_owners_session_was_answered(app: App) {
    let root = root(&app).await;
    let (_, key) = api_keys::make(&app, &root, &["profile.read"]).await;
    new_role(&app, "support")
        .bearer(&root.access)
        .send()
        .await
        .expect(201);
    assert_problem(
        &new_role(&app, "support").api_key(&key).send().await,
        403,
        "forbidden",
        &[],
    );
    assert!(replayed(
        &new_role(&app, "support")
            .bearer(&root.access)
            .send()
            .await
            .expect(201)
    ));
}

#[db_test]
async fn who_has_signed_out_gets_no_earlier_answers(app: App) {
    let root = root(&app).await;
    new_role(&app, "support")
        .bearer(&root.access)
        .send()
        .await
        .expect(201);
    app.post("/api/v1/auth/logout")
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    let refused = new_role(&app, "support").bearer(&root.access).send().await;
    assert_eq!((refused.status(), replayed(&refused)), (401, false));
}

#[db_test]
async fn broken_requests_of_nobody_do_not_push_out_the_answers_of_others(app: App) {
    let root = root(&app).await;
    let first = new_role(&app, "support")
        .bearer(&root.access)
        .send()
        .await
        .expect(201);
    let broken = json!({ "x".repeat(200_000): 1 }).to_string();
    for attempt in 0..60 {
        let call = app
            .post("/api/v1/auth/login")
            .idempotency_key(&format!("flood-{attempt}"));
        let refused = call.body("application/json", broken.clone()).send().await;
        assert!(
            refused.bytes().len() < 4096,
            "{} bytes of {}",
            refused.bytes().len(),
            refused.status()
        );
    }
    let again = new_role(&app, "support")
        .bearer(&root.access)
        .send()
        .await
        .expect(201);
    assert!(replayed(&again));
    assert_eq!(again.value(), first.value());
}

#[db_test]
async fn no_list_fails_for_a_cursor_of_somebodys_making(app: App) {
    let root: SignedIn = root(&app).await;
    register(&app, "ada@example.org").await;
    let cursor = |json: &str| URL_SAFE_NO_PAD.encode(json);
    for list in ["roles", "sessions", "api-keys", "grants", "users", "audit"] {
        let get = async |cursor: &str| {
            let path = format!("/api/v1/auth/{list}?cursor={cursor}");
            app.get(&path).bearer(&root.access).send().await
        };
        for json in [r#""\u0000""#, r#""a\u0000""#, r#"["\u0000"]"#] {
            assert_problem(&get(&cursor(json)).await, 422, "invalid_input", &["cursor"]);
        }
        get("").await.expect(200);
    }
}
