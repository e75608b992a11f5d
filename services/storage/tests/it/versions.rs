//! Older versions, deleted ones, and having them back.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{Answer, assert_problem, eventually};

use crate::helpers::{App, BUCKETS, count, get, make_bucket, put, somebody, stored, url, usage};

async fn versions(app: &App, token: &str, path: &str) -> Vec<Value> {
    let page = get(app, token, &format!("{BUCKETS}/data/versions?path={path}"))
        .await
        .expect(200)
        .value();
    page["items"].as_array().unwrap().clone()
}

async fn deleted(app: &App, token: &str) -> Vec<Value> {
    let page = get(app, token, &format!("{BUCKETS}/data/deleted"))
        .await
        .expect(200)
        .value();
    page["items"].as_array().unwrap().clone()
}

async fn restore(app: &App, token: &str, version: &Value) -> Answer {
    let call = app.post(&format!("{BUCKETS}/data/restore")).bearer(token);
    call.json(&json!({"path": version["path"], "version_id": version["version_id"]}))
        .send()
        .await
}

async fn delete(app: &App, token: &str, query: &str) {
    app.delete(&format!("{}{query}", url("data", "a")))
        .bearer(token)
        .send()
        .await
        .expect(204);
}

/// Rows, files and counts agree.
pub(crate) async fn all_agrees(app: &App, token: &str) {
    app.settle().await;
    crate::leftovers::nothing_pending(app).await;
    let rows = count(app, "versions").await;
    let refs: i64 =
        crate::helpers::one(app, "SELECT CAST(COALESCE(SUM(refs), 0) AS BIGINT) FROM blobs").await;
    let bytes: i64 =
        crate::helpers::one(app, "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM versions").await;
    let of_buckets: i64 = crate::helpers::one(app, "SELECT CAST(SUM(bytes) AS BIGINT) FROM buckets").await;
    assert_eq!((refs, of_buckets), (rows, bytes));
    let (_, objects, used) = usage(app, token).await;
    assert_eq!((objects, used), (rows, bytes));
    let blobs = count(app, "blobs").await;
    assert_eq!(
        (
            count(app, "chunks").await,
            i64::try_from(stored(app).await.len()).unwrap()
        ),
        (blobs, blobs)
    );
}

#[db_test]
async fn what_is_replaced_is_kept_and_can_be_read_and_restored(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "data", json!({"versioning": true}))
        .await
        .expect(201);
    for body in ["one", "two", "three"] {
        put(&app, &token, &url("data", "a"), body).await;
    }
    let all = versions(&app, &token, "a").await;
    assert_eq!(
        all.iter()
            .map(|one| one["current"].as_bool().unwrap())
            .collect::<Vec<_>>(),
        [true, false, false]
    );
    assert!(
        all.iter().all(|one| one["id"] == all[0]["id"]),
        "it is one object"
    );
    for (version, body) in all.iter().zip(["three", "two", "one"]) {
        let path = format!(
            "{}?version={}",
            url("data", "a"),
            version["version_id"].as_str().unwrap()
        );
        assert_eq!(get(&app, &token, &path).await.expect(200).text(), body);
    }
    let first = restore(&app, &token, &all[2]).await.expect(200).value();
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "one");
    assert_eq!(
        (&first["id"], versions(&app, &token, "a").await.len()),
        (&all[0]["id"], 4)
    );
    // What is current already stays.
    assert_eq!(restore(&app, &token, &first).await.expect(200).value(), first);
    assert_eq!(stored(&app).await.len(), 3, "its bytes are not stored again");
    // One version goes for good; its bytes are another's as well.
    delete(
        &app,
        &token,
        &format!("?version={}", all[2]["version_id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "one");
    all_agrees(&app, &token).await;
    assert_eq!(stored(&app).await.len(), 3);
    let gone = format!(
        "{}?version={}",
        url("data", "a"),
        all[2]["version_id"].as_str().unwrap()
    );
    assert_problem(&get(&app, &token, &gone).await, 404, "not_found", &[]);
    let elsewhere = format!(
        "{}?version={}",
        url("data", "b"),
        all[1]["version_id"].as_str().unwrap()
    );
    assert_problem(&get(&app, &token, &elsewhere).await, 404, "not_found", &[]);
}

#[db_test]
async fn what_was_deleted_comes_back_as_it_was(app: App) {
    let token = somebody(&app, "data").await;
    let made = put(&app, &token, &url("data", "a"), "precious")
        .await
        .expect(201)
        .value();
    delete(&app, &token, "").await;
    let gone = deleted(&app, &token).await;
    assert_eq!((gone.len(), &gone[0]["version_id"]), (1, &made["version_id"]));
    assert!(gone[0]["purge_at"].is_string());
    let path = format!(
        "{}?version={}",
        url("data", "a"),
        made["version_id"].as_str().unwrap()
    );
    assert_eq!(get(&app, &token, &path).await.expect(200).text(), "precious");
    let back = restore(&app, &token, &gone[0]).await.expect(201).value();
    assert_eq!((&back["id"], &back["etag"]), (&made["id"], &made["etag"]));
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "precious");
    assert!(deleted(&app, &token).await.is_empty());
    assert_problem(&restore(&app, &token, &gone[0]).await, 404, "not_found", &[]);
    all_agrees(&app, &token).await;
    // In place of another.
    delete(&app, &token, "").await;
    put(&app, &token, &url("data", "a"), "another").await.expect(201);
    restore(&app, &token, &deleted(&app, &token).await[0])
        .await
        .expect(200);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "precious");
    all_agrees(&app, &token).await;
    assert_eq!(count(&app, "versions").await, 1);
}

#[db_test]
async fn a_deleted_version_is_shown_to_those_who_read_the_bucket_alone(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "data", json!({"public": true, "versioning": true}))
        .await
        .expect(201);
    let old = put(&app, &token, &url("data", "a"), "one")
        .await
        .expect(201)
        .value();
    put(&app, &token, &url("data", "a"), "two").await.expect(200);
    let of = |version: &Value| {
        format!(
            "{}?version={}",
            url("data", "a"),
            version["version_id"].as_str().unwrap()
        )
    };
    let found = app.get(&of(&old)).send().await.expect(200);
    assert_eq!(
        found.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    delete(&app, &token, "").await;
    let gone = deleted(&app, &token).await;
    assert_problem(&app.get(&of(&gone[0])).send().await, 404, "not_found", &[]);
    get(&app, &token, &of(&gone[0])).await.expect(200);
}

#[db_test]
async fn a_purged_object_takes_its_older_versions_along(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({"versioning": true}))
        .await
        .expect(201);
    for body in ["one", "two", "three"] {
        put(&app, &token, &url("data", "a"), body).await;
    }
    delete(&app, &token, "").await;
    put(&app, &token, &url("data", "a"), "new").await.expect(201);
    assert_eq!(versions(&app, &token, "a").await.len(), 4);
    app.advance(std::time::Duration::from_secs(31 * 24 * 3600)).await;
    eventually("the deleted object is purged", || async {
        count(&app, "versions").await == 1
    })
    .await;
    let token = app.token(user, &[]);
    assert_eq!(get(&app, &token, &url("data", "a")).await.text(), "new");
    all_agrees(&app, &token).await;
}

#[db_test]
async fn what_was_restored_keeps_its_older_versions(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({"versioning": true}))
        .await
        .expect(201);
    for body in ["one", "two", "three"] {
        put(&app, &token, &url("data", "a"), body).await;
    }
    let all = versions(&app, &token, "a").await;
    delete(&app, &token, "").await;
    restore(&app, &token, &all[1]).await.expect(201);
    app.advance(std::time::Duration::from_secs(31 * 24 * 3600)).await;
    eventually("what was deleted is purged", || async {
        count(&app, "versions").await < 4
    })
    .await;
    app.settle().await;
    let token = app.token(user, &[]);
    let left = versions(&app, &token, "a").await;
    assert_eq!(left.len(), 3, "{left:?}");
    for (version, body) in left.iter().zip(["two", "two", "one"]) {
        let id = version["version_id"].as_str().unwrap();
        let path = format!("{}?version={id}", url("data", "a"));
        assert_eq!(get(&app, &token, &path).await.expect(200).text(), body);
    }
    // Also where the object was moved since.
    delete(&app, &token, "").await;
    restore(&app, &token, &left[1]).await.expect(201);
    let body = json!({"path": "a", "to_path": "b"});
    let call = app.post(&format!("{BUCKETS}/data/move")).bearer(&token);
    call.json(&body).send().await.expect(201);
    app.advance(std::time::Duration::from_secs(31 * 24 * 3600)).await;
    eventually("what was deleted is purged", || async {
        count(&app, "versions").await < 4
    })
    .await;
    app.settle().await;
    let token = app.token(user, &[]);
    assert_eq!(versions(&app, &token, "a").await.len(), 2);
    assert_eq!(get(&app, &token, &url("data", "b")).await.text(), "two");
    all_agrees(&app, &token).await;
}
