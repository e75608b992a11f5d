//! Who reads and writes what.

use serde_json::json;
use stoa_auth_api::{
    events::{OrganizationDeleted, OrganizationRestored},
    testing::FakeAuth,
};
use stoa_db::db_test;
use stoa_kernel::{OrganizationRole, Timestamp};
use stoa_testkit::assert_problem;

use crate::helpers::{App, get, make_bucket, put, somebody, url};

#[db_test]
async fn a_private_bucket_is_its_owners_alone(app: App) {
    let token = somebody(&app, "secret").await;
    put(&app, &token, &url("secret", "a"), "x").await.expect(201);
    let eve = app.token(app.new_user(), &[]);
    for path in [url("secret", "a"), url("secret", "b"), url("nowhere", "a")] {
        assert_problem(&get(&app, &eve, &path).await, 404, "not_found", &[]);
        assert_problem(&put(&app, &eve, &path, "y").await, 404, "not_found", &[]);
        assert_problem(
            &app.delete(&path).bearer(&eve).send().await,
            404,
            "not_found",
            &[],
        );
        assert_problem(&app.get(&path).send().await, 401, "unauthenticated", &[]);
        assert_problem(
            &app.put(&path).body("text/plain", "x").send().await,
            401,
            "unauthenticated",
            &[],
        );
    }
    assert_eq!(get(&app, &token, &url("secret", "a")).await.text(), "x");
}

#[db_test]
async fn a_public_bucket_is_read_by_anybody_and_written_by_its_owner(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "open", json!({"public": true}))
        .await
        .expect(201);
    put(&app, &token, &url("open", "a"), "x").await.expect(201);
    let eve = app.token(app.new_user(), &[]);
    for call in [
        app.get(&url("open", "a")),
        app.get(&url("open", "a")).bearer(&eve),
        app.get(&url("open", "a")).bearer("bad"),
    ] {
        let answer = call.send().await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    }
    assert_problem(&app.get(&url("open", "b")).send().await, 404, "not_found", &[]);
    assert_problem(
        &put(&app, &eve, &url("open", "a"), "y").await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(
        &app.delete(&url("open", "a")).bearer(&eve).send().await,
        403,
        "forbidden",
        &[],
    );
}

#[db_test]
async fn a_key_does_what_its_scopes_say(app: App) {
    let user = app.new_user();
    make_bucket(&app, &app.token(user, &[]), "data", json!({}))
        .await
        .expect(201);
    let (reader, writer) = (
        app.api_key(user, &["objects.read"]),
        app.api_key(user, &["objects.write"]),
    );
    let path = url("data", "a");
    let store = |key: &str| app.put(&path).api_key(key).body("text/plain", "x").send();
    store(&writer).await.expect(201);
    assert_problem(&store(&reader).await, 403, "forbidden", &[]);
    app.get(&path).api_key(&reader).send().await.expect(200);
    assert_problem(
        &app.get(&path).api_key(&writer).send().await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(
        &app.delete(&path).api_key(&reader).send().await,
        403,
        "forbidden",
        &[],
    );
}

#[db_test]
async fn a_grant_opens_one_object_or_one_bucket(app: App) {
    let token = somebody(&app, "data").await;
    let a = put(&app, &token, &url("data", "a"), "x")
        .await
        .expect(201)
        .value();
    put(&app, &token, &url("data", "b"), "x").await.expect(201);
    let auth = app.stand_in::<FakeAuth>();
    let (bob, carol) = (app.new_user(), app.new_user());
    auth.grant(
        bob,
        "objects.read",
        "object",
        a["id"].as_str().unwrap().parse().unwrap(),
    );
    let bucket = get(&app, &token, "/api/v1/storage/buckets/data").await.value();
    auth.grant(
        carol,
        "objects.*",
        "bucket",
        bucket["id"].as_str().unwrap().parse().unwrap(),
    );
    let (bob, carol) = (app.token(bob, &[]), app.token(carol, &[]));
    get(&app, &bob, &url("data", "a")).await.expect(200);
    assert_problem(&get(&app, &bob, &url("data", "b")).await, 404, "not_found", &[]);
    assert_problem(
        &put(&app, &bob, &url("data", "a"), "y").await,
        404,
        "not_found",
        &[],
    );
    get(&app, &carol, &url("data", "b")).await.expect(200);
    put(&app, &carol, &url("data", "c"), "y").await.expect(201);
    // What is stored there after a deletion is another object.
    app.delete(&url("data", "a"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    put(&app, &token, &url("data", "a"), "new").await.expect(201);
    assert_problem(&get(&app, &bob, &url("data", "a")).await, 404, "not_found", &[]);
}

#[db_test]
async fn of_a_deleted_organization_nothing_is_shown_until_it_is_restored(app: App) {
    let ours = app.new_organization();
    let owner = app.member_token(app.new_user(), ours, OrganizationRole::Owner);
    make_bucket(
        &app,
        &owner,
        "ours",
        json!({"organization_id": ours, "public": true}),
    )
    .await
    .expect(201);
    put(&app, &owner, &url("ours", "a"), "x").await.expect(201);
    app.get(&url("ours", "a")).send().await.expect(200);
    app.emit(&OrganizationDeleted {
        organization_id: ours,
        purge_at: Timestamp::MAX,
    })
    .await;
    app.settle().await;
    assert_eq!(app.get(&url("ours", "a")).send().await.status(), 401);
    assert_problem(&get(&app, &owner, &url("ours", "a")).await, 404, "not_found", &[]);
    app.emit(&OrganizationRestored {
        organization_id: ours,
    })
    .await;
    app.settle().await;
    app.get(&url("ours", "a")).send().await.expect(200);
}
