//! The audit log, read over HTTP.

use serde_json::Value;
use stoa_db::db_test;
use stoa_testkit::{TestApp, assert_problem};

use crate::{
    App, SignedIn,
    admin::{give, helper, root},
    register, text,
};

async fn read(app: &TestApp, by: &SignedIn, query: &str) -> Value {
    let path = format!("/api/v1/auth/audit{query}");
    app.get(&path).bearer(&by.access).send().await.expect(200).value()
}

fn actions(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| text(&entry["action"]))
        .collect()
}

#[db_test]
async fn the_log_is_filtered_and_comes_in_pages(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    give(&app, &root, ada.id, "admin").await.expect(204);

    let by_ada = read(&app, &root, &format!("?actor={}", ada.id)).await;
    assert_eq!(actions(&by_ada), ["session.create", "account.create"]);
    let to_ada = read(&app, &root, &format!("?resource_id={}", ada.id)).await;
    assert_eq!(actions(&to_ada), ["role.assign", "account.create"]);
    let entry = &to_ada["items"][0];
    assert_eq!(
        (&entry["actor"], &entry["detail"]["role"]),
        (&serde_json::json!(root.id), &"admin".into())
    );
    assert_eq!(
        (&entry["resource_kind"], &entry["address"]),
        (&"account".into(), &"127.0.0.1".into())
    );
    assert!(entry["request_id"].is_string());
    let sessions = read(&app, &root, "?action=session.create").await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 2);

    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = read(&app, &root, &format!("?limit=2{cursor}")).await;
        all.extend(actions(&page));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(all, actions(&read(&app, &root, "?limit=100").await));
    assert!(all.len() >= 6, "{all:?}");
}

#[db_test]
async fn only_those_read_it_who_may(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let answer = app.get("/api/v1/auth/audit").bearer(&ada.access).send().await;
    assert_problem(&answer, 403, "forbidden", &[]);
    let auditor = helper(&app, &root, "auditor", &["audit.read"]).await;
    read(&app, &auditor, "").await;
    let answer = app
        .get("/api/v1/auth/audit?actor=x")
        .bearer(&auditor.access)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["actor"]);
}
