//! Nothing that somebody made with a stolen account outlives the reset of its password.

use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use stoa_auth_api::events::{CredentialsRevoked, UserErased};
use stoa_db::db_test;
use stoa_kernel::{OrganizationRole, UserId};
use stoa_testkit::{Answer, assert_problem, eventually};
use tokio::sync::oneshot;

use crate::{
    helpers::{App, BUCKETS, count, get, make_bucket, one, put, somebody, url},
    s3::client::{S3, assert_refused, make_key},
    tus,
};

async fn make_link(app: &App, token: &str, bucket: &str, kind: &str) -> Answer {
    let body = json!({"kind": kind, "path": "a", "expires_in": 86_400});
    let path = format!("{BUCKETS}/{bucket}/links");
    app.post(&path).bearer(token).json(&body).send().await
}

async fn link(app: &App, token: &str, bucket: &str, kind: &str) -> String {
    let made = make_link(app, token, bucket, kind).await.expect(201).value();
    made["url"].as_str().unwrap().to_owned()
}

async fn revoke(app: &App, user: UserId) {
    app.emit(&CredentialsRevoked { user_id: user }).await;
    app.settle().await;
}

/// Two members of an organization that has a bucket with an object.
async fn of_an_organization(app: &App) -> [(UserId, String); 2] {
    let ours = app.new_organization();
    let people = [app.new_user(), app.new_user()].map(|user| {
        let token = app.member_token(user, ours, OrganizationRole::Admin);
        (user, token)
    });
    let token = &people[0].1;
    make_bucket(app, token, "ours", json!({"organization_id": ours}))
        .await
        .expect(201);
    put(app, token, &url("ours", "a"), "shared").await.expect(201);
    people
}

#[db_test]
async fn the_links_that_a_person_made_end_and_those_of_others_stay(app: App) {
    let [(ada, ada_token), (_, bob_token)] = of_an_organization(&app).await;
    make_bucket(&app, &ada_token, "data", json!({})).await.expect(201);
    let of_bob = link(&app, &bob_token, "ours", "download").await;
    let of_ada = link(&app, &ada_token, "ours", "download").await;
    let of_upload = link(&app, &ada_token, "data", "upload").await;
    app.get(&of_ada).send().await.expect(200);
    // More than go in one batch.
    let sql = "INSERT INTO links (id, token_hash, bucket_id, kind, path, uses, created_at, expires_at, made_by) \
               SELECT $1, $2, bucket_id, kind, path, 0, created_at, expires_at, made_by FROM links \
               WHERE kind = 'upload' AND uses = 0 LIMIT 1";
    for _ in 0..230 {
        let id = stoa_kernel::Id::<()>::new(app.clock());
        let hash = id.to_string().into_bytes();
        app.db().execute(sql, &[&id, &hash]).await.unwrap();
    }
    revoke(&app, ada).await;
    for gone in [app.get(&of_ada), app.put(&of_upload).body("text/plain", "x")] {
        assert_problem(&gone.send().await, 404, "not_found", &[]);
    }
    app.get(&of_bob).send().await.expect(200);
    assert_eq!(count(&app, "links").await, 1);
    let entries = app.audited("link.delete").await;
    assert_eq!(entries.len(), 232);
    let mut reasons = entries.iter().map(|entry| (entry.actor, &entry.detail["reason"]));
    assert!(reasons.all(|found| found == (None, &json!("credentials_revoked"))));
}

#[db_test]
async fn what_is_made_after_it_stays_also_when_the_event_comes_late(app: App) {
    let ada = app.new_user();
    let token = app.token(ada, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    let before = link(&app, &token, "data", "upload").await;
    make_key(&app, &token, json!({})).await.expect(201);
    app.clock().advance(Duration::from_secs(60));
    let after = link(&app, &token, "data", "upload").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    app.clock().set_back(Duration::from_secs(30));
    revoke(&app, ada).await;
    app.clock().advance(Duration::from_secs(30));
    let store = |address: &str| app.put(address).body("text/plain", "x").send();
    assert_eq!(store(&before).await.status(), 404);
    assert_eq!(store(&after).await.status(), 201);
    s3.get("/").await.expect(200);
    assert_eq!(count(&app, "access_keys").await, 1);
    // What is noted of it goes when nothing is left that began before.
    assert_eq!(count(&app, "revocations").await, 1);
    app.advance(Duration::from_secs(8 * 24 * 3600)).await;
    eventually("it is purged", || async { count(&app, "revocations").await == 0 }).await;
}

#[db_test]
async fn a_request_that_began_before_makes_nothing_that_lasts(app: App) {
    let ada = app.new_user();
    let token = app.token(ada, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    app.clock().advance(Duration::from_secs(20));
    revoke(&app, ada).await;
    // As requests that were let in and are slow: they act when all was ended.
    app.clock().set_back(Duration::from_secs(10));
    let operation = json!({"kind": "delete", "prefix": ""});
    let operation = app
        .post(&format!("{BUCKETS}/data/operations"))
        .bearer(&token)
        .json(&operation)
        .send();
    for refused in [
        make_link(&app, &token, "data", "upload").await,
        make_key(&app, &token, json!({})).await,
        operation.await,
    ] {
        assert_problem(&refused, 401, "unauthenticated", &[]);
    }
    for table in ["links", "access_keys", "operations"] {
        assert_eq!(count(&app, table).await, 0, "{table}");
    }
    app.clock().advance(Duration::from_secs(20));
    make_link(&app, &token, "data", "upload").await.expect(201);
}

/// A body that goes on once that is said.
pub(crate) fn body(rest: oneshot::Receiver<()>) -> reqwest::Body {
    let begin = stream::once(async { Ok::<_, std::io::Error>(b"begin".to_vec()) });
    let end = stream::once(async move {
        rest.await.ok();
        Ok(b" end".to_vec())
    });
    reqwest::Body::wrap_stream(begin.chain(end))
}

#[db_test]
async fn an_upload_that_is_under_way_comes_to_nothing(app: App) {
    let ada = app.new_user();
    let token = app.token(ada, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    let of_link = link(&app, &token, "data", "upload").await;
    let upload = tus::begun(&app, &token, ("data", "of-tus"), 9).await;
    let call = |method: Method, path: &str| {
        let address = format!("http://{}{path}", app.address());
        reqwest::Client::new()
            .request(method, address)
            .bearer_auth(&token)
    };
    let calls = [
        call(Method::PUT, &url("data", "by-token")),
        call(Method::PUT, &of_link),
        call(Method::PATCH, &upload)
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", "0")
            .header("content-type", "application/offset+octet-stream"),
    ];
    let under_way = calls.map(|call| {
        let (go_on, rest) = oneshot::channel();
        (go_on, tokio::spawn(call.body(body(rest)).send()))
    });
    eventually("all have begun", || async {
        count(&app, "pending_blobs").await == 3
    })
    .await;
    revoke(&app, ada).await;
    app.clock().advance(Duration::from_secs(3));
    for (go_on, answer) in under_way {
        go_on.send(()).unwrap();
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.status(), 401);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "unauthenticated");
    }
    assert_eq!(count(&app, "versions").await, 0);
    crate::leftovers::nothing_pending(&app).await;
}

#[db_test]
async fn what_is_being_done_to_a_folder_ends(app: App) {
    let ada = app.new_user();
    let token = app.token(ada, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    let path = format!("{BUCKETS}/data/operations");
    let body = json!({"kind": "delete", "prefix": "in/"});
    let begun = app.post(&path).bearer(&token).json(&body).send().await;
    let id = begun.expect(202).value()["id"].as_str().unwrap().to_owned();
    app.settle().await;
    // As it is while there is more to do than in one turn.
    let sql = "UPDATE operations SET finished_at = NULL, made_by = $1";
    app.db().execute(sql, &[&ada]).await.unwrap();
    revoke(&app, ada).await;
    let path = format!("/api/v1/storage/operations/{id}");
    let operation = get(&app, &token, &path).await.expect(200).value();
    assert!(operation["finished_at"].is_string(), "{operation}");
    assert_eq!(operation["failure"], "the credentials were revoked");
    let entries = app.audited("objects.stop").await;
    assert_eq!(
        (entries.len(), &entries[0].detail["operation_id"]),
        (1, &json!(id))
    );
}

#[db_test]
async fn a_presigned_address_ends_with_its_key(app: App) {
    let ada = app.new_user();
    let token = app.token(ada, &[]);
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data", "").await.expect(200);
    s3.put("/data/a", "shared").await.expect(200);
    let address = s3.request(Method::GET, "/data/a").presigned(7 * 24 * 3600);
    app.get(&address).send().await.expect(200);
    revoke(&app, ada).await;
    assert_refused(&app.get(&address).send().await, 403, "InvalidAccessKeyId");
}

#[db_test]
async fn links_of_an_organization_lose_the_name_of_who_is_erased(app: App) {
    let [(ada, token), _] = of_an_organization(&app).await;
    let address = link(&app, &token, "ours", "download").await;
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    app.get(&address).send().await.expect(200);
    assert_eq!(one::<i64>(&app, "SELECT COUNT(made_by) FROM links").await, 0);
    let bucket = somebody(&app, "of-another").await;
    make_link(&app, &bucket, "of-another", "upload").await.expect(201);
    assert_eq!(one::<i64>(&app, "SELECT COUNT(made_by) FROM links").await, 1);
}
