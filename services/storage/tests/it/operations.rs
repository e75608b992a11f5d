//! Folders: deleted, copied and moved as a whole.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_kernel::OrganizationRole;
use stoa_testkit::{Answer, assert_problem, eventually};

use crate::{
    helpers::{App, BUCKETS, count, get, make_bucket, put, somebody, stored, url},
    versions::all_agrees,
};

async fn begin(app: &App, token: &str, body: Value) -> Answer {
    app.post(&format!("{BUCKETS}/data/operations"))
        .bearer(token)
        .json(&body)
        .send()
        .await
}

/// Waits until it has come to its end.
async fn finished(app: &App, token: &str, operation: &Value) -> Value {
    let path = format!("/api/v1/storage/operations/{}", operation["id"].as_str().unwrap());
    eventually("it is finished", || async {
        get(app, token, &path).await.expect(200).value()["finished_at"].is_string()
    })
    .await;
    get(app, token, &path).await.expect(200).value()
}

async fn paths(app: &App, token: &str, bucket: &str) -> Vec<String> {
    let page = get(app, token, &format!("{BUCKETS}/{bucket}/objects?limit=100"))
        .await
        .expect(200)
        .value();
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["path"].as_str().unwrap().to_owned())
        .collect()
}

async fn fill(app: &App, token: &str) {
    for n in 0..60 {
        put(app, token, &url("data", &format!("in/{n:02}")), format!("{n}"))
            .await
            .expect(201);
    }
    put(app, token, &url("data", "out"), "out").await.expect(201);
}

#[db_test]
async fn a_folder_is_deleted_in_batches_and_nothing_beside_it(app: App) {
    let token = somebody(&app, "data").await;
    fill(&app, &token).await;
    let begun = begin(&app, &token, json!({"kind": "delete", "prefix": "in/"}))
        .await
        .expect(202)
        .value();
    let end = finished(&app, &token, &begun).await;
    assert_eq!(
        (&end["done"], &end["skipped"], &end["failure"]),
        (&json!(60), &json!(0), &Value::Null)
    );
    assert_eq!(paths(&app, &token, "data").await, ["out"]);
    assert_eq!(stored(&app).await.len(), 61, "they can be restored");
    let begun = begin(
        &app,
        &token,
        json!({"kind": "delete", "prefix": "", "forever": true}),
    )
    .await
    .expect(202)
    .value();
    assert_eq!(finished(&app, &token, &begun).await["done"], 1);
    all_agrees(&app, &token).await;
    assert_eq!(app.audited("objects.delete").await.len(), 2);
}

#[db_test]
async fn a_folder_is_copied_and_moved_to_another_bucket(app: App) {
    let token = somebody(&app, "data").await;
    make_bucket(&app, &token, "other", json!({})).await.expect(201);
    fill(&app, &token).await;
    put(&app, &token, &url("other", "copy/07"), "there before")
        .await
        .expect(201);
    let copy = json!({"kind": "copy", "prefix": "in/", "to_bucket": "other", "to_prefix": "copy/"});
    let end = finished(&app, &token, &begin(&app, &token, copy).await.expect(202).value()).await;
    assert_eq!((&end["done"], &end["skipped"]), (&json!(59), &json!(1)));
    assert_eq!(
        get(&app, &token, &url("other", "copy/07")).await.text(),
        "there before"
    );
    assert_eq!(get(&app, &token, &url("other", "copy/08")).await.text(), "8");
    let to = json!({"kind": "move", "prefix": "in/", "to_prefix": "moved/", "overwrite": true});
    let end = finished(&app, &token, &begin(&app, &token, to).await.expect(202).value()).await;
    assert_eq!(end["done"], 60);
    let left = paths(&app, &token, "data").await;
    assert_eq!((left.len(), &*left[0], &*left[60]), (61, "moved/00", "out"));
    all_agrees(&app, &token).await;
    assert_eq!(stored(&app).await.len(), 62);
}

#[db_test]
async fn what_makes_no_sense_is_refused_and_strangers_see_nothing(app: App) {
    let token = somebody(&app, "data").await;
    for (body, field) in [
        (json!({"kind": "copy", "prefix": "a/"}), "to_prefix"),
        (
            json!({"kind": "move", "prefix": "a/", "to_prefix": "a/b/"}),
            "to_prefix",
        ),
        (
            json!({"kind": "move", "prefix": "a/b/", "to_prefix": "a/"}),
            "to_prefix",
        ),
        (
            json!({"kind": "copy", "prefix": "", "to_prefix": "b/"}),
            "to_prefix",
        ),
        (
            json!({"kind": "delete", "prefix": "a/", "to_prefix": "b/"}),
            "to_prefix",
        ),
        (json!({"kind": "delete", "prefix": "/a"}), "prefix"),
        (json!({"kind": "burn", "prefix": "a"}), "kind"),
    ] {
        assert_problem(&begin(&app, &token, body).await, 422, "invalid_input", &[field]);
    }
    let delete = json!({"kind": "delete", "prefix": ""});
    let begun = begin(&app, &token, delete.clone()).await.expect(202).value();
    let eve = app.token(app.new_user(), &[]);
    assert_problem(&begin(&app, &eve, delete).await, 404, "not_found", &[]);
    let path = format!("/api/v1/storage/operations/{}", begun["id"].as_str().unwrap());
    assert_problem(&get(&app, &eve, &path).await, 404, "not_found", &[]);
    finished(&app, &token, &begun).await;
}

#[db_test]
async fn one_at_a_time_in_a_bucket_and_none_is_known_for_ever(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    fill(&app, &token).await;
    let delete = json!({"kind": "delete", "prefix": "in/"});
    let both = futures::future::join(begin(&app, &token, delete.clone()), begin(&app, &token, delete)).await;
    let mut statuses = [both.0.status(), both.1.status()];
    statuses.sort_unstable();
    // The first may be at its end before the second comes.
    assert!([[202, 202], [202, 409]].contains(&statuses), "{statuses:?}");
    app.settle().await;
    app.advance(std::time::Duration::from_secs(8 * 24 * 3600)).await;
    eventually("it is known no more", || async {
        count(&app, "operations").await == 0
    })
    .await;
}

#[db_test]
async fn who_only_reads_a_bucket_does_not_take_its_place(app: App) {
    let ours = app.new_organization();
    let [owner, guest] = [OrganizationRole::Owner, OrganizationRole::Guest]
        .map(|role| app.member_token(app.new_user(), ours, role));
    make_bucket(&app, &owner, "data", json!({"organization_id": ours}))
        .await
        .expect(201);
    put(&app, &owner, &url("data", "in/a"), "a").await.expect(201);
    make_bucket(&app, &guest, "of-guest", json!({})).await.expect(201);
    let copy = |to: &str| json!({"kind": "copy", "prefix": "", "to_bucket": to, "to_prefix": "c/"});
    let begun = begin(&app, &guest, copy("of-guest")).await.expect(202).value();
    let end = finished(&app, &guest, &begun).await;
    assert_eq!(end["done"], 1);
    // As it is while many are copied.
    let sql = "UPDATE operations SET finished_at = NULL";
    app.db().execute(sql, &[]).await.unwrap();
    let again = begin(&app, &guest, copy("of-guest")).await;
    assert_problem(&again, 409, "operation_in_progress", &[]);
    let path = format!("/api/v1/storage/operations/{}", begun["id"].as_str().unwrap());
    assert_problem(&get(&app, &owner, &path).await, 404, "not_found", &[]);
    let delete = json!({"kind": "delete", "prefix": "in/"});
    let begun = begin(&app, &owner, delete).await.expect(202).value();
    assert_eq!(finished(&app, &owner, &begun).await["done"], 1);
}
