//! API keys: made, used within their scopes, taken back.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stoa_auth_api::KeyClient;
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{
    PASSWORD, SignedIn,
    admin::{give, helper, root, sign_in},
    audited, auth, me, register, text, value,
};

stoa_testkit::app!(
    App,
    auth(|_| {}).keys(|directory, cache| Arc::new(KeyClient::new(directory, cache)))
);

/// Asks for a key, with the password unless the body says otherwise.
async fn ask_for(app: &TestApp, by: &SignedIn, body: &Value) -> Answer {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    fields.entry("password").or_insert(json!(PASSWORD));
    app.post("/api/v1/auth/api-keys")
        .bearer(&by.access)
        .json(&body)
        .send()
        .await
}

/// A key with these scopes: what is said of it, and itself.
pub(crate) async fn make(app: &TestApp, by: &SignedIn, scopes: &[&str]) -> (Value, String) {
    let body = json!({ "name": "a script", "scopes": scopes });
    let made = ask_for(app, by, &body).await.expect(201).value();
    let key = text(&made["key"]);
    (made, key)
}

async fn use_key(app: &TestApp, key: &str, path: &str) -> Answer {
    app.get(path).api_key(key).send().await
}

/// Until the edge asks again about a key that it has seen.
async fn a_second() {
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

const ME: &str = "/api/v1/auth/me";
const ROLES: &str = "/api/v1/auth/roles";

#[db_test]
async fn a_key_is_shown_once_and_kept_as_a_hash(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (made, key) = make(&app, &ada, &["profile.read", "users.read", "profile.read"]).await;
    let id = text(&made["id"]);
    assert!(
        key.starts_with(&format!("stoa_key_{}_", id.replace('-', ""))),
        "{key}"
    );
    assert_eq!(made["scopes"], json!(["profile.read", "users.read"]));
    let listed = app
        .get("/api/v1/auth/api-keys")
        .bearer(&ada.access)
        .send()
        .await
        .expect(200);
    // The secret itself may have underscores.
    let secret = key.splitn(4, '_').nth(3).unwrap();
    assert!(!listed.text().contains(secret), "{}", listed.text());
    assert_eq!(
        (
            &listed.value()["items"][0]["id"],
            &listed.value()["items"][0]["last_used_at"]
        ),
        (&json!(id), &Value::Null)
    );
    let hash: Vec<u8> = value(&app, "SELECT hash FROM api_keys").await;
    assert_eq!(hash.len(), 32);
    assert!(audited(&app).await.contains(&"api_key.create".to_owned()));
}

#[db_test]
async fn a_key_acts_for_its_owner_however_it_is_sent(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    for call in [app.get(ME).api_key(&key), app.get(ME).bearer(&key)] {
        let who = call.send().await.expect(200).value();
        assert_eq!((&who["id"], &who["permissions"]), (&json!(ada.id), &json!([])));
    }
    for wrong in [
        "stoa_key_1_2".to_owned(),
        format!("{key}x"),
        key.replace("_0", "_1"),
    ] {
        assert_problem(&use_key(&app, &wrong, ME).await, 401, "unauthenticated", &[]);
    }
}

#[db_test]
async fn a_key_may_what_its_owner_may_and_its_scopes_name(app: App) {
    let root = root(&app).await;
    let (_, narrow) = make(&app, &root, &["roles.read"]).await;
    use_key(&app, &narrow, ROLES).await.expect(200);
    assert_problem(
        &use_key(&app, &narrow, "/api/v1/auth/users").await,
        403,
        "forbidden",
        &[],
    );
    let call = app
        .post(ROLES)
        .api_key(&narrow)
        .json(&json!({ "name": "x", "permissions": [] }));
    assert_problem(&call.send().await, 403, "forbidden", &[]);

    // What a key gives is bounded by its scopes as well.
    let (_, maker) = make(&app, &root, &["roles.*"]).await;
    let body = |permission: &str| json!({ "name": "made", "permissions": [permission] });
    let call = |permission: &str| app.post(ROLES).api_key(&maker).json(&body(permission)).send();
    for permission in ["*", "users.read"] {
        assert_problem(&call(permission).await, 403, "permission_not_held", &[]);
    }
    call("roles.read").await.expect(201);
    let call = app
        .put(&format!("/api/v1/auth/users/{}/roles/admin", root.id))
        .api_key(&maker);
    assert_problem(&call.send().await, 403, "permission_not_held", &[]);
}

#[db_test]
async fn a_key_loses_with_its_owner(app: App) {
    let root = root(&app).await;
    let reader = helper(&app, &root, "reader", &["roles.read"]).await;
    let (_, key) = make(&app, &reader, &["roles.read"]).await;
    use_key(&app, &key, ROLES).await.expect(200);
    crate::admin::take(&app, &root, reader.id, "reader")
        .await
        .expect(204);
    a_second().await;
    assert_problem(&use_key(&app, &key, ROLES).await, 403, "forbidden", &[]);
    give(&app, &root, reader.id, "reader").await.expect(204);

    let path = format!("/api/v1/auth/users/{}", reader.id);
    app.post(&format!("{path}/disable"))
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    a_second().await;
    assert_problem(&use_key(&app, &key, ME).await, 401, "unauthenticated", &[]);
    app.post(&format!("{path}/enable"))
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    a_second().await;
    use_key(&app, &key, ROLES).await.expect(200);
}

#[db_test]
async fn a_key_that_is_removed_or_over_is_refused(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    let (made, removed) = make(&app, &ada, &["account.read"]).await;
    let in_an_hour = app.clock().after(Duration::from_secs(3600));
    let body = json!({ "name": "short", "scopes": ["account.read"], "expires_at": in_an_hour });
    let over = text(&ask_for(&app, &ada, &body).await.expect(201).value()["key"]);
    for key in [&removed, &over] {
        use_key(&app, key, ME).await.expect(200);
    }
    let path = format!("/api/v1/auth/api-keys/{}", text(&made["id"]));
    assert_problem(
        &app.delete(&path).bearer(&bob.access).send().await,
        404,
        "not_found",
        &[],
    );
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    assert_problem(
        &app.delete(&path).bearer(&ada.access).send().await,
        404,
        "not_found",
        &[],
    );
    app.clock().advance(Duration::from_secs(3600));
    a_second().await;
    for key in [&removed, &over] {
        assert_problem(&use_key(&app, key, ME).await, 401, "unauthenticated", &[]);
    }
    let body = json!({ "name": "late", "scopes": ["account.read"], "expires_at": in_an_hour });
    let ada = sign_in(&app, "ada@example.org").await;
    assert_problem(
        &ask_for(&app, &ada, &body).await,
        422,
        "invalid_input",
        &["expires_at"],
    );
}

#[db_test]
async fn it_is_kept_to_the_minute_when_a_key_was_used(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    let used = async || {
        a_second().await;
        use_key(&app, &key, ME).await.expect(200);
        value::<stoa_kernel::Timestamp>(&app, "SELECT last_used_at FROM api_keys").await
    };
    let first = used().await;
    assert_eq!(used().await, first);
    app.clock().advance(Duration::from_secs(60));
    assert!(used().await > first);
}

#[db_test]
async fn no_key_does_what_only_a_person_may(app: App) {
    let root = root(&app).await;
    let (made, key) = make(
        &app,
        &root,
        &["accounts.*", "roles.*", "sessions.*", "api_keys.*"],
    )
    .await;
    let own = format!("/api/v1/auth/api-keys/{}", text(&made["id"]));
    for call in [
        app.post("/api/v1/auth/api-keys")
            .json(&json!({ "name": "more", "scopes": ["users.read"] })),
        app.get("/api/v1/auth/api-keys"),
        app.delete(&own),
        app.get("/api/v1/auth/sessions"),
        app.get("/api/v1/auth/totp"),
        app.post("/api/v1/auth/totp")
            .json(&json!({ "password": PASSWORD })),
        app.get("/api/v1/auth/export"),
        app.delete("/api/v1/auth/account")
            .json(&json!({ "password": PASSWORD })),
    ] {
        assert_problem(&call.api_key(&key).send().await, 403, "forbidden", &[]);
    }
}

#[db_test]
async fn what_is_no_key_is_refused(app: App) {
    let ada = register(&app, "ada@example.org").await;
    for scope in ["audit.read", "roles.*", "accounts.write"] {
        let answer = ask_for(&app, &ada, &json!({ "name": "x", "scopes": [scope] })).await;
        assert_problem(&answer, 403, "permission_not_held", &[]);
    }
    for (body, fields) in [
        (json!({ "name": "", "scopes": ["users.read"] }), &["name"][..]),
        (json!({ "name": "x", "scopes": [] }), &["scopes"]),
        (
            json!({ "name": "x", "scopes": ["users.read", "*"] }),
            &["scopes[1]"],
        ),
        (json!({ "name": "x", "scopes": ["users"] }), &["scopes[0]"]),
        (
            json!({ "name": "x", "scopes": ["users.read", "users.reed"] }),
            &["scopes[1]"],
        ),
        (json!({ "name": "x", "scopes": ["user.*"] }), &["scopes[0]"]),
        (
            json!({ "name": "x", "scopes": ["users.read"], "expires_at": "soon" }),
            &["expires_at"],
        ),
        (
            json!({ "name": "x", "scopes": ["users.read"], "user_id": ada.id }),
            &["user_id"],
        ),
    ] {
        assert_problem(&ask_for(&app, &ada, &body).await, 422, "invalid_input", fields);
    }
    me(&app, &ada.access).await.expect(200);
}

#[db_test]
async fn nobody_has_keys_without_end(app: App) {
    let ada = register(&app, "ada@example.org").await;
    for _ in 0..100 {
        make(&app, &ada, &["profile.read"]).await;
    }
    let body = json!({ "name": "x", "scopes": ["profile.read"] });
    assert_problem(&ask_for(&app, &ada, &body).await, 409, "too_many_api_keys", &[]);
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM api_keys").await, 100);
    let path = "/api/v1/auth/api-keys?limit=60";
    let page = app.get(path).bearer(&ada.access).send().await.expect(200).value();
    let rest = format!("{path}&cursor={}", text(&page["next_cursor"]));
    let rest = app
        .get(&rest)
        .bearer(&ada.access)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(
        (
            page["items"].as_array().unwrap().len(),
            rest["items"].as_array().unwrap().len()
        ),
        (60, 40)
    );
    assert_eq!(rest["next_cursor"], Value::Null);
}

#[db_test]
async fn a_key_explains_itself_within_its_scopes(app: App) {
    let root = root(&app).await;
    let (_, key) = make(&app, &root, &["users.read", "account.read"]).await;
    let ask = async |question: Value| {
        app.post("/api/v1/auth/explain")
            .api_key(&key)
            .json(&question)
            .send()
            .await
    };
    let reason = async |action: &str| {
        ask(json!({ "action": action, "resource_kind": "profile" }))
            .await
            .expect(200)
            .value()["reason"]
            .clone()
    };
    assert_eq!(reason("users.read").await, "role");
    assert_eq!(reason("users.write").await, "out_of_scope");
    let about =
        json!({ "user_id": Id::<()>::new(app.clock()), "action": "users.read", "resource_kind": "profile" });
    assert_problem(&ask(about).await, 403, "forbidden", &[]);
}

#[db_test]
async fn a_stolen_session_makes_no_key(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let body = |password: &str| json!({ "name": "x", "scopes": ["profile.read"], "password": password });
    let guessed = ask_for(&app, &ada, &body("wrong")).await;
    assert_problem(&guessed, 422, "invalid_input", &["password"]);
    let nothing = app.post("/api/v1/auth/api-keys").bearer(&ada.access);
    let nothing = nothing.json(&json!({ "name": "x", "scopes": ["profile.read"] }));
    assert_problem(&nothing.send().await, 422, "invalid_input", &["password"]);

    let (secret, _) = crate::totp::enrolled(&app, &ada).await;
    let answer = ask_for(&app, &ada, &body(PASSWORD)).await;
    assert_problem(&answer, 422, "invalid_input", &["totp"]);
    let mut with_code = body(PASSWORD);
    with_code["totp"] = json!(crate::totp::current(&app, &secret));
    ask_for(&app, &ada, &with_code).await.expect(201);
    assert_problem(
        &ask_for(&app, &ada, &with_code).await,
        422,
        "invalid_input",
        &["totp"],
    );
    app.settle().await;
    let mails = app.mails().await;
    let told = mails
        .iter()
        .filter(|mail| mail.subject.contains("API key was made"));
    assert_eq!(told.count(), 1, "the owner is told");
}

#[db_test]
async fn a_key_learns_nothing_of_its_owner_without_the_scope(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["profile.read", "account.write"]).await;
    assert_problem(&use_key(&app, &key, ME).await, 403, "forbidden", &[]);
    let question = json!({ "action": "users.read", "resource_kind": "profile" });
    let explain = app.post("/api/v1/auth/explain").api_key(&key).json(&question);
    assert_problem(&explain.send().await, 403, "forbidden", &[]);
}
