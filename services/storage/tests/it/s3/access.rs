//! Who reads and writes what by S3.

use reqwest::Method;
use serde_json::json;
use stoa_auth_api::{
    events::{OrganizationDeleted, OrganizationRestored},
    testing::FakeAuth,
};
use stoa_db::{Engine, db_test};
use stoa_kernel::{OrganizationRole, Timestamp};

use super::client::{S3, assert_refused, element, elements};
use crate::helpers::{App, builder, get, make_bucket, put, somebody, url};

#[db_test]
async fn a_stranger_reads_what_is_public_and_nothing_else(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "open", json!({"public": true}))
        .await
        .expect(201);
    make_bucket(&app, &token, "secret", json!({})).await.expect(201);
    for bucket in ["open", "secret"] {
        put(&app, &token, &url(bucket, "a"), "x").await.expect(201);
    }
    assert_eq!(app.get("/s3/open/a").send().await.expect(200).text(), "x");
    let head = app.call(Method::HEAD, "/s3/open/a").send().await.expect(200);
    assert_eq!(head.header("content-length"), Some("1"));
    assert_refused(&app.get("/s3/open/b").send().await, 404, "NoSuchKey");
    assert_refused(
        &app.get("/s3/open/a?response-content-type=text/html").send().await,
        400,
        "InvalidRequest",
    );
    for path in [
        "/s3",
        "/s3/",
        "/s3/open",
        "/s3/secret/a",
        "/s3/secret",
        "/s3/nowhere/a",
        "/s3/open?acl",
        "/s3/open/a?tagging",
    ] {
        for call in [app.get(path), app.get(path).bearer(&token)] {
            assert_refused(&call.send().await, 403, "AccessDenied");
        }
    }
    for path in ["/s3/open/a", "/s3/new"] {
        assert_refused(
            &app.put(path).body("text/plain", "y").send().await,
            403,
            "AccessDenied",
        );
        assert_refused(&app.delete(path).send().await, 403, "AccessDenied");
    }
    assert_refused(
        &app.post("/s3/open?delete")
            .body("text/xml", "<Delete/>")
            .send()
            .await,
        403,
        "AccessDenied",
    );
    assert_eq!(app.get("/s3/open/a").send().await.text(), "x");
}

#[db_test]
async fn anothers_buckets_are_not_found_and_public_ones_only_read(app: App) {
    let token = somebody(&app, "secret").await;
    make_bucket(&app, &token, "open", json!({"public": true}))
        .await
        .expect(201);
    for bucket in ["open", "secret"] {
        put(&app, &token, &url(bucket, "a"), "x").await.expect(201);
    }
    let eve = S3::new(&app, &app.token(app.new_user(), &[]), json!({})).await;
    for path in [
        "/secret/a",
        "/secret/b",
        "/secret",
        "/secret?location",
        "/secret?list-type=2",
        "/nowhere/a",
    ] {
        assert_refused(&eve.get(path).await, 404, "NoSuchBucket");
    }
    for path in ["/secret/a", "/secret/b", "/nowhere/a"] {
        assert_refused(&eve.put(path, "y").await, 404, "NoSuchBucket");
        assert_refused(&eve.delete(path).await, 404, "NoSuchBucket");
    }
    assert_refused(&eve.delete("/secret").await, 404, "NoSuchBucket");
    assert_eq!(eve.get("/open/a").await.expect(200).text(), "x");
    assert_refused(&eve.put("/open/a", "y").await, 403, "AccessDenied");
    assert_refused(&eve.delete("/open/a").await, 403, "AccessDenied");
    eve.put("/of-eve", "").await.expect(200);
    let copy = eve
        .request(Method::PUT, "/of-eve/a")
        .header("x-amz-copy-source", "/secret/a");
    assert_refused(&copy.send().await, 404, "NoSuchBucket");
    assert_eq!(elements(&eve.get("/").await.text(), "Name"), ["of-eve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_does_no_more_than_it_was_made_for() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    make_bucket(&app, &token, "other", json!({})).await.expect(201);
    for bucket in ["data", "other"] {
        put(&app, &token, &url(bucket, "a"), "x").await.expect(201);
    }
    let reader = S3::new(&app, &token, json!({"read_only": true})).await;
    assert_eq!(reader.get("/data/a").await.expect(200).text(), "x");
    reader.get("/data?list-type=2").await.expect(200);
    assert_eq!(elements(&reader.get("/").await.text(), "Name").len(), 2);
    let delete = "<Delete><Object><Key>a</Key></Object></Delete>";
    for answer in [
        reader.put("/data/a", "y").await,
        reader.delete("/data/a").await,
        reader.put("/new", "").await,
        reader.delete("/data").await,
    ] {
        assert_refused(&answer, 403, "AccessDenied");
    }
    let several = reader.post("/data?delete", delete).await.expect(200).text();
    assert_eq!(elements(&several, "Code"), ["AccessDenied"]);

    let narrow = S3::new(&app, &token, json!({"buckets": ["data", "later"]})).await;
    narrow.put("/data/b", "y").await.expect(200);
    assert_eq!(elements(&narrow.get("/").await.text(), "Name"), ["data"]);
    for answer in [
        narrow.get("/other/a").await,
        narrow.put("/other/b", "y").await,
        narrow.put("/new", "").await,
        narrow.get("/other?list-type=2").await,
    ] {
        assert_refused(&answer, 403, "AccessDenied");
    }
    let copy = narrow
        .request(Method::PUT, "/data/c")
        .header("x-amz-copy-source", "/other/a");
    assert_refused(&copy.send().await, 403, "AccessDenied");
    narrow.put("/later", "").await.expect(200);
    // A key of S3 is none of the API.
    let as_token = app
        .get("/api/v1/storage/buckets")
        .bearer(&narrow.secret)
        .send()
        .await;
    assert_eq!(as_token.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_an_object_by_s3_too() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let a = put(&app, &token, &url("data", "a"), "x")
        .await
        .expect(201)
        .value();
    put(&app, &token, &url("data", "b"), "x").await.expect(201);
    let bob = app.new_user();
    let object = a["id"].as_str().unwrap().parse().unwrap();
    app.stand_in::<FakeAuth>()
        .grant(bob, "objects.read", "object", object);
    let s3 = S3::new(&app, &app.token(bob, &[]), json!({})).await;
    assert_eq!(s3.get("/data/a").await.expect(200).text(), "x");
    assert_refused(&s3.get("/data/b").await, 404, "NoSuchBucket");
    assert_refused(&s3.put("/data/a", "y").await, 404, "NoSuchBucket");
}

#[db_test]
async fn of_a_deleted_organization_nothing_is_shown(app: App) {
    let (user, ours) = (app.new_user(), app.new_organization());
    app.stand_in::<FakeAuth>()
        .member(user, ours, OrganizationRole::Owner);
    let owner = app.member_token(user, ours, OrganizationRole::Owner);
    let s3 = S3::new(&app, &owner, json!({"organization_id": ours})).await;
    make_bucket(
        &app,
        &owner,
        "ours",
        json!({"organization_id": ours, "public": true}),
    )
    .await
    .expect(201);
    s3.put("/ours/a", "x").await.expect(200);
    app.get("/s3/ours/a").send().await.expect(200);
    app.emit(&OrganizationDeleted {
        organization_id: ours,
        purge_at: Timestamp::MAX,
    })
    .await;
    app.settle().await;
    assert_refused(&app.get("/s3/ours/a").send().await, 403, "AccessDenied");
    assert_refused(&s3.get("/ours/a").await, 404, "NoSuchBucket");
    app.emit(&OrganizationRestored {
        organization_id: ours,
    })
    .await;
    app.settle().await;
    app.get("/s3/ours/a").send().await.expect(200);
    assert_eq!(get(&app, &owner, &url("ours", "a")).await.expect(200).text(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_must_be_whose_the_caller_says() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data/a", "x").await.expect(200);
    let listed = s3.get("/").await.expect(200).text();
    let own = element(&listed, "ID").unwrap();
    let several = "<Delete><Object><Key>none</Key></Object></Delete>";
    let of_bucket = "x-amz-expected-bucket-owner";
    let ask = async |header: &str, owner: &str, method: Method, path: &str| {
        let request = s3.request(method, path).header(header, owner);
        let request = match path {
            "/data/copy" => request.header("x-amz-copy-source", "/data/a"),
            "/data?delete" => request.body(several),
            _ => request,
        };
        request.send().await
    };
    for (header, method, path) in [
        (of_bucket, Method::GET, "/data"),
        (of_bucket, Method::GET, "/data/a"),
        (of_bucket, Method::PUT, "/data/b"),
        (of_bucket, Method::PUT, "/data/copy"),
        ("x-amz-source-expected-bucket-owner", Method::PUT, "/data/copy"),
        (of_bucket, Method::POST, "/data?delete"),
        (of_bucket, Method::DELETE, "/data/b"),
    ] {
        for other in ["123456789012", ""] {
            let refused = ask(header, other, method.clone(), path).await;
            assert_refused(&refused, 403, "AccessDenied");
        }
        let answer = ask(header, own, method.clone(), path).await;
        assert!(answer.status() < 300, "{method} {path}: {}", answer.text());
    }
}
