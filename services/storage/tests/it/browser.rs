//! Pages of other origins: they upload and download by S3 and tus.

use reqwest::Method;
use serde_json::json;
use stoa_db::Engine;
use stoa_testkit::{Answer, ORIGIN, TestApp};

use crate::{
    helpers::{builder, make_bucket, url},
    s3::client::S3,
    tus::{PIECE, TUS, metadata},
};

const OTHER: &str = "https://evil.example.com";

/// What a browser asks before it sends such a request.
async fn preflight(app: &TestApp, path: &str, (origin, method, names): (&str, &str, &str)) -> Answer {
    app.call(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", names)
        .send()
        .await
}

/// The page may send the request: it may use the method, and all of its headers.
async fn assert_allowed(app: &TestApp, path: &str, method: &str, names: &str) {
    let answer = preflight(app, path, (ORIGIN, method, names)).await.expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let listed = |name| {
        answer
            .header(name)
            .unwrap_or_default()
            .split(", ")
            .collect::<Vec<_>>()
    };
    assert!(listed("access-control-allow-methods").contains(&method));
    let allowed = listed("access-control-allow-headers");
    for name in names.split(',') {
        assert!(allowed.contains(&name), "{name}");
    }
    let answer = preflight(app, path, (OTHER, method, names)).await.expect(403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

/// The page may read the answer, and these of its headers, which are there.
#[track_caller]
fn assert_readable(answer: &Answer, names: &[&str]) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    let exposed: Vec<_> = exposed.split(", ").collect();
    for name in names {
        assert!(answer.header(name).is_some(), "{name}");
        assert!(exposed.contains(name), "{name}");
    }
}

async fn app() -> (TestApp, String) {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "data", json!({"versioning": true}))
        .await
        .expect(201);
    (app, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_speaks_s3() {
    let (app, token) = app().await;
    let s3 = S3::new(&app, &token, json!({})).await;
    let sent = "amz-sdk-invocation-id,amz-sdk-request,authorization,cache-control,content-md5,content-type,x-amz-checksum-crc32,\
                x-amz-content-sha256,x-amz-date,x-amz-meta-colour,x-amz-sdk-checksum-algorithm,x-amz-user-agent";
    assert_allowed(&app, "/s3/data/a", "PUT", sent).await;
    for (method, path) in [
        ("GET", "/s3/data?list-type=2"),
        ("DELETE", "/s3/data/a"),
        ("POST", "/s3/data/a?uploads="),
    ] {
        assert_allowed(
            &app,
            path,
            method,
            "authorization,x-amz-content-sha256,x-amz-date",
        )
        .await;
    }
    let call = |method: Method, origin| s3.request(method, "/data/a").header("origin", origin);
    let stored = call(Method::PUT, ORIGIN)
        .header("x-amz-meta-colour", "blue")
        .body("x")
        .send()
        .await
        .expect(200);
    assert_readable(&stored, &["etag", "x-amz-version-id", "x-amz-request-id"]);
    let found = call(Method::GET, ORIGIN).send().await.expect(200);
    assert_readable(
        &found,
        &["etag", "x-amz-meta-colour", "x-amz-version-id", "accept-ranges"],
    );
    // By an address that needs no headers; refusals are readable as well.
    let address = s3.request(Method::GET, "/data/a").presigned(60);
    let found = app
        .get(&address)
        .header("origin", ORIGIN)
        .send()
        .await
        .expect(200);
    assert_readable(&found, &["etag", "x-amz-meta-colour"]);
    let refused = app
        .get("/s3/data/a")
        .header("origin", ORIGIN)
        .send()
        .await
        .expect(403);
    assert_readable(&refused, &["x-amz-request-id"]);
    let of_other = call(Method::GET, OTHER).send().await.expect(200);
    assert_eq!(of_other.header("access-control-allow-origin"), None);
    assert_eq!(of_other.header("access-control-expose-headers"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_speaks_tus_and_sends_metadata() {
    let (app, token) = app().await;
    let begins =
        "authorization,tus-resumable,upload-concat,upload-defer-length,upload-length,upload-metadata";
    assert_allowed(&app, TUS, "POST", begins).await;
    let spoken = app
        .call(Method::OPTIONS, TUS)
        .header("origin", ORIGIN)
        .send()
        .await;
    let names = [
        "tus-checksum-algorithm",
        "tus-extension",
        "tus-max-size",
        "tus-resumable",
        "tus-version",
    ];
    assert_readable(&spoken, &names);
    let call = |method: Method, path: &str| {
        let call = app.call(method, path).bearer(&token).header("origin", ORIGIN);
        call.header("tus-resumable", "1.0.0")
    };
    let begun = call(Method::POST, TUS)
        .header("upload-length", "5")
        .header("upload-metadata", &metadata("data", "a"))
        .send()
        .await
        .expect(201);
    assert_readable(&begun, &["location", "tus-resumable", "upload-expires"]);
    let upload = begun.header("location").unwrap().to_owned();
    let appends = "authorization,content-type,tus-resumable,upload-checksum,upload-length,upload-offset,x-http-method-override,x-request-id";
    assert_allowed(&app, &upload, "PATCH", appends).await;
    let appended = call(Method::PATCH, &upload)
        .header("upload-offset", "0")
        .body(PIECE, "he");
    assert_readable(
        &appended.send().await.expect(204),
        &["upload-offset", "upload-expires"],
    );
    let found = call(Method::HEAD, &upload).send().await.expect(200);
    assert_readable(&found, &["upload-offset", "upload-length", "upload-metadata"]);

    let path = url("data", "b");
    assert_allowed(
        &app,
        &path,
        "PUT",
        "authorization,content-type,if-none-match,repr-digest,x-meta-note",
    )
    .await;
    let put = app
        .put(&path)
        .bearer(&token)
        .header("x-meta-note", "x")
        .body("text/plain", "x");
    put.send().await.expect(201);
    let found = app
        .get(&path)
        .bearer(&token)
        .header("origin", ORIGIN)
        .send()
        .await;
    assert_readable(&found, &["etag", "x-meta-note", "x-version-id"]);
}
