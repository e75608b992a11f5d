//! Buckets: made, listed, changed, deleted.

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_kernel::{OrganizationRole, Owner};
use stoa_storage::events::{BucketCreated, BucketDeleted};
use stoa_testkit::assert_problem;

use crate::helpers::{App, BUCKETS, builder, get, make_bucket, put, somebody, url, usage};

stoa_testkit::app!(Small, builder(|config| config.buckets_max = 3));

async fn names(app: &App, token: &str, query: &str) -> Vec<String> {
    let page = get(app, token, &format!("{BUCKETS}{query}"))
        .await
        .expect(200)
        .value();
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

#[db_test]
async fn a_bucket_is_made_read_changed_and_deleted(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    let settings = json!({"public": true, "max_object_bytes": 5, "allowed_types": ["image/*"]});
    let made = make_bucket(&app, &token, "my-bucket", settings).await.expect(201);
    let etag = made.header("etag").unwrap().to_owned();
    let bucket = made.value();
    assert_eq!(
        (&bucket["owner_kind"], &bucket["owner_id"]),
        (&json!("user"), &json!(user))
    );
    assert_eq!(bucket["public"], true);
    assert_eq!(
        get(&app, &token, &format!("{BUCKETS}/my-bucket"))
            .await
            .expect(200)
            .value(),
        bucket
    );

    let change = |etag: &str, body: Value| {
        let call = app.patch(&format!("{BUCKETS}/my-bucket")).bearer(&token);
        call.header("if-match", etag).json(&body).send()
    };
    let changed = change(&etag, json!({"public": false, "max_object_bytes": null}))
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&changed["public"], &changed["max_object_bytes"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        changed["allowed_types"],
        json!(["image/*"]),
        "what is absent stays"
    );
    assert_problem(&change(&etag, json!({})).await, 412, "precondition_failed", &[]);

    app.delete(&format!("{BUCKETS}/my-bucket"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    assert_problem(
        &get(&app, &token, &format!("{BUCKETS}/my-bucket")).await,
        404,
        "not_found",
        &[],
    );
    assert_eq!(usage(&app, &token).await, (0, 0, 0));
    let told = app.emitted::<BucketDeleted>().await;
    assert_eq!(
        (told.len(), told[0].owner, &*told[0].name),
        (1, Owner::User(user), "my-bucket")
    );
    assert_eq!(app.emitted::<BucketCreated>().await.len(), 1);
    for action in ["bucket.create", "bucket.update", "bucket.delete"] {
        assert_eq!(app.audited(action).await.len(), 1, "{action}");
    }
}

#[db_test]
async fn a_name_is_taken_once_and_follows_the_rules(app: App) {
    let token = somebody(&app, "taken").await;
    let other = app.token(app.new_user(), &[]);
    for token in [&token, &other] {
        assert_problem(
            &make_bucket(&app, token, "taken", json!({})).await,
            409,
            "bucket_name_taken",
            &[],
        );
    }
    assert_eq!(usage(&app, &other).await.0, 0);
    for name in [
        "ab",
        "Upper",
        "a..b",
        "tus",
        "127.0.0.1",
        "-a-",
        "a/b",
        "\u{e9}\u{e9}\u{e9}",
    ] {
        let answer = make_bucket(&app, &token, name, json!({})).await;
        assert_problem(&answer, 422, "invalid_input", &["name"]);
    }
    for (more, field) in [
        (json!({"max_object_bytes": 0}), "max_object_bytes"),
        (json!({"allowed_types": ["image"]}), "allowed_types"),
        (json!({"allowed_types": vec!["image/png"; 51]}), "allowed_types"),
        (json!({"colour": 1}), "colour"),
    ] {
        let answer = make_bucket(&app, &token, "another", more).await;
        assert_problem(&answer, 422, "invalid_input", &[field]);
    }
}

#[db_test]
async fn there_is_room_for_so_many_also_when_all_come_at_once(app: Small) {
    let token = app.token(app.new_user(), &[]);
    let made = stream::iter(0..9).map(|n| {
        let (client, token) = (app.client(), token.clone());
        async move {
            make_bucket(&client, &token, &format!("bucket-{n}"), json!({}))
                .await
                .status()
        }
    });
    let mut answers: Vec<u16> = made.buffer_unordered(9).collect().await;
    answers.sort_unstable();
    assert_eq!(answers, [201, 201, 201, 409, 409, 409, 409, 409, 409]);
    assert_eq!(usage(&app, &token).await.0, 3);
}

#[db_test]
async fn what_is_not_empty_is_not_deleted(app: App) {
    let token = somebody(&app, "full").await;
    put(&app, &token, &url("full", "a"), "x").await.expect(201);
    let delete = || app.delete(&format!("{BUCKETS}/full")).bearer(&token).send();
    assert_problem(&delete().await, 409, "bucket_not_empty", &[]);
    app.delete(&url("full", "a"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    assert_problem(&delete().await, 409, "bucket_not_empty", &[]);
}

#[db_test]
async fn an_organizations_buckets_are_its_members(app: App) {
    let ours = app.new_organization();
    let [owner, member, guest] = [
        OrganizationRole::Owner,
        OrganizationRole::Member,
        OrganizationRole::Guest,
    ]
    .map(|role| app.member_token(app.new_user(), ours, role));
    let more = json!({ "organization_id": ours });
    let made = make_bucket(&app, &owner, "ours", more.clone())
        .await
        .expect(201)
        .value();
    assert_eq!(
        (&made["owner_kind"], &made["owner_id"]),
        (&json!("organization"), &json!(ours))
    );
    for token in [&member, &guest] {
        let refused = make_bucket(&app, token, "theirs", more.clone()).await;
        assert_problem(&refused, 403, "organization_role_required", &[]);
        assert_eq!(
            names(&app, token, &format!("?organization_id={ours}")).await,
            ["ours"]
        );
        assert!(names(&app, token, "").await.is_empty());
        let answer = app
            .patch(&format!("{BUCKETS}/ours"))
            .bearer(token)
            .json(&json!({"public": true}));
        assert_problem(&answer.send().await, 403, "forbidden", &[]);
    }
    let stranger = app.member_token(app.new_user(), app.new_organization(), OrganizationRole::Owner);
    for answer in [
        make_bucket(&app, &stranger, "theirs", more).await,
        get(&app, &stranger, &format!("{BUCKETS}?organization_id={ours}")).await,
        get(&app, &stranger, &format!("{BUCKETS}/ours")).await,
        app.delete(&format!("{BUCKETS}/ours"))
            .bearer(&stranger)
            .send()
            .await,
    ] {
        assert_problem(&answer, 404, "not_found", &[]);
    }
    put(&app, &member, &url("ours", "a"), "x").await.expect(201);
    get(&app, &guest, &url("ours", "a")).await.expect(200);
    assert_problem(
        &put(&app, &guest, &url("ours", "b"), "x").await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(
        &put(&app, &stranger, &url("ours", "b"), "x").await,
        404,
        "not_found",
        &[],
    );
}

#[db_test]
async fn a_page_goes_on_where_the_last_one_ended(app: App) {
    let token = app.token(app.new_user(), &[]);
    for name in ["one", "two", "three"] {
        make_bucket(&app, &token, name, json!({})).await.expect(201);
    }
    let first = get(&app, &token, &format!("{BUCKETS}?limit=2"))
        .await
        .expect(200)
        .value();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(
        names(&app, &token, &format!("?limit=2&cursor={cursor}")).await,
        ["one"]
    );
    assert_eq!(names(&app, &token, "?limit=2").await, ["three", "two"]);
}
