//! What is refused: signatures that are not right, and what is not offered.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stoa_db::Engine;

use super::client::{S3, UNSIGNED, assert_refused};
use crate::helpers::{builder, somebody};

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_for_one_request_and_for_now() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data/a", "x").await.expect(200);
    let get = || s3.request(Method::GET, "/data/a");
    let wrong = S3 {
        secret: "wrong".to_owned(),
        ..s3.clone()
    };
    assert_refused(&wrong.get("/data/a").await, 403, "SignatureDoesNotMatch");
    let unknown = S3 {
        key_id: "AKIAAAAAAAAAAAAAAAAA".to_owned(),
        ..s3.clone()
    };
    assert_refused(&unknown.get("/data/a").await, 403, "InvalidAccessKeyId");
    // What was signed for one request is no good for another.
    let authorization = get().authorization();
    for other in [
        s3.request(Method::DELETE, "/data/a"),
        s3.request(Method::GET, "/data/b"),
        s3.request(Method::GET, "/data/a?versionId=null"),
        get().payload(UNSIGNED),
        get().later(1),
    ] {
        let answer = other.send_with(&authorization).await;
        assert_refused(&answer, 403, "SignatureDoesNotMatch");
    }
    let added = get().header("x-amz-meta-a", "b").send_with(&authorization).await;
    assert_refused(&added, 403, "AccessDenied");
    get().send_with(&authorization).await.expect(200);
    for seconds in [-15 * 60 - 1, 15 * 60 + 1] {
        assert_refused(&get().later(seconds).send().await, 403, "RequestTimeTooSkewed");
    }
    for seconds in [-14 * 60, 14 * 60] {
        get().later(seconds).send().await.expect(200);
    }
    for (authorization, code) in [
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/s3/aws4_request, SignedHeaders=host, Signature=x",
            "AuthorizationHeaderMalformed",
        ),
        ("AWS AKIA:signature", "InvalidRequest"),
    ] {
        assert_refused(&get().send_with(authorization).await, 400, code);
    }
    let session = get().header("x-amz-security-token", "x").send().await;
    assert_refused(&session, 400, "InvalidToken");
    // An access token is no signature.
    assert_refused(
        &get().send_with(&format!("Bearer {token}")).await,
        403,
        "AccessDenied",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_address_works_for_its_request_until_it_expires() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    let put = s3.request(Method::PUT, "/data/a").presigned(60);
    app.put(&put)
        .body("text/plain", "by address")
        .send()
        .await
        .expect(200);
    let get = s3.request(Method::GET, "/data/a").presigned(60);
    assert_eq!(app.get(&get).send().await.expect(200).text(), "by address");
    assert_refused(&app.delete(&get).send().await, 403, "SignatureDoesNotMatch");
    let other = get.replace("/data/a", "/data/b");
    assert_refused(&app.get(&other).send().await, 403, "SignatureDoesNotMatch");
    let longer = get.replace("Expires=60", "Expires=600");
    assert_refused(&app.get(&longer).send().await, 403, "SignatureDoesNotMatch");
    let added = app.get(&get).header("x-amz-meta-a", "b").send().await;
    assert_refused(&added, 403, "AccessDenied");
    for seconds in [0, 604_801] {
        let address = s3.request(Method::GET, "/data/a").presigned(seconds);
        assert_refused(
            &app.get(&address).send().await,
            400,
            "AuthorizationQueryParametersError",
        );
    }
    app.clock().advance(Duration::from_secs(61));
    assert_refused(&app.get(&get).send().await, 403, "AccessDenied");
    let early = s3.request(Method::GET, "/data/a").later(3600).presigned(60);
    assert_refused(&app.get(&early).send().await, 403, "AccessDenied");
    let week = s3.request(Method::GET, "/data/a").presigned(604_800);
    app.clock().advance(Duration::from_secs(6 * 24 * 3600));
    app.get(&week).send().await.expect(200);
    // It goes with its key.
    let path = format!("{}/{}", super::client::KEYS, s3.id);
    let fresh = app.token(app.new_user(), &[]);
    app.delete(&path).bearer(&fresh).send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_of_an_address_are_limited() {
    let app = builder(|config| config.signature_guesses = "5/h".parse().unwrap())
        .start(Engine::Sqlite)
        .await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    let wrong = S3 {
        secret: "wrong".to_owned(),
        ..s3.clone()
    };
    for _ in 0..5 {
        assert_refused(&wrong.get("/data/a").await, 403, "SignatureDoesNotMatch");
    }
    for client in [&wrong, &s3] {
        let answer = client.get("/data/a").await;
        assert_refused(&answer, 503, "SlowDown");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((600..=720).contains(&wait), "{wait}: one of five in an hour");
    }
    let elsewhere = s3
        .request(Method::GET, "/data?location")
        .header("x-forwarded-for", "192.0.2.7");
    elsewhere.send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_is_said_and_never_left_out() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data/a", "x").await.expect(200);
    for path in [
        "/data?acl",
        "/data?policy",
        "/data?lifecycle",
        "/data/a?tagging",
        "/data/a?torrent",
    ] {
        assert_refused(&s3.get(path).await, 501, "NotImplemented");
        assert_refused(&s3.put(path, "").await, 501, "NotImplemented");
    }
    for (name, value) in [
        ("x-amz-acl", "public-read"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
    ] {
        let put = s3.request(Method::PUT, "/data/b").header(name, value).body("x");
        assert_refused(&put.send().await, 501, "NotImplemented");
    }
    let class = s3
        .request(Method::PUT, "/data/b")
        .header("x-amz-storage-class", "GLACIER");
    assert_refused(&class.send().await, 400, "InvalidStorageClass");
    assert_refused(&s3.post("/data", "x").await, 501, "NotImplemented");
    assert_refused(&s3.put("/", "").await, 405, "MethodNotAllowed");
    for key in ["/data/a//b", "/data/a/", "/data/a%0Ab", "/data/%00"] {
        assert_refused(&s3.put(key, "x").await, 400, "InvalidArgument");
        assert_refused(&s3.get(key).await, 404, "NoSuchKey");
    }
    assert_refused(&s3.put("/data/%ff", "x").await, 400, "InvalidURI");
    let long = format!("/data/{}", "x".repeat(1025));
    assert_refused(&s3.put(&long, "x").await, 400, "KeyTooLongError");
    // What the edge refuses is said in S3's words as well.
    let too_long = format!("/s3/data/{}", "x".repeat(9000));
    assert_refused(&app.get(&too_long).send().await, 400, "KeyTooLongError");
}
