//! Buckets and objects, as clients of S3 use them.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stoa_db::{Engine, db_test};
use stoa_storage::events::ObjectCreated;
use stoa_testkit::TestApp;

use super::client::{S3, assert_refused, element, elements};
use crate::helpers::{App, builder, bytes, get, make_bucket, somebody, stored, url, usage};

/// Somebody's token, and a key for all that they have.
async fn with_key(app: &TestApp) -> (String, S3) {
    let token = app.token(app.new_user(), &[]);
    let s3 = S3::new(app, &token, json!({})).await;
    (token, s3)
}

#[db_test]
async fn buckets_are_made_listed_and_deleted(app: App) {
    let (token, s3) = with_key(&app).await;
    s3.put("/data", "").await.expect(200);
    s3.put("/more", "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>")
        .await
        .expect(200);
    for (name, status, code) in [
        ("/data", 409, "BucketAlreadyOwnedByYou"),
        ("/Data", 400, "InvalidBucketName"),
        ("/tus", 400, "InvalidBucketName"),
    ] {
        assert_refused(&s3.put(name, "").await, status, code);
    }
    let (_, other) = with_key(&app).await;
    assert_refused(&other.put("/data", "").await, 409, "BucketAlreadyExists");
    for root in ["/", ""] {
        let listed = s3.get(root).await.expect(200).text();
        assert_eq!(elements(&listed, "Name"), ["more", "data"]);
        assert!(element(&listed, "CreationDate").unwrap().ends_with('Z'));
    }
    let located = s3.get("/data?location").await.expect(200).text();
    assert!(located.contains("<LocationConstraint "), "{located}");
    let head = s3.request(Method::HEAD, "/data/").send().await.expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), Some("us-east-1"));
    let head = s3.request(Method::HEAD, "/nowhere").send().await.expect(404);
    assert_eq!(head.text(), "");

    let status = |text: &str| element(text, "Status").map(str::to_owned);
    let versioning = s3.get("/data?versioning").await.expect(200).text();
    assert_eq!(status(&versioning), None);
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    s3.put("/data?versioning", enable).await.expect(200);
    let versioning = s3.get("/data?versioning").await.expect(200).text();
    assert_eq!(status(&versioning).as_deref(), Some("Enabled"));

    s3.put("/data/a", "x").await.expect(200);
    assert_refused(&s3.delete("/data").await, 409, "BucketNotEmpty");
    s3.delete("/data/a").await.expect(204);
    // It can be restored yet.
    let refused = s3.delete("/data").await;
    assert_refused(&refused, 409, "BucketNotEmpty");
    let says = element(&refused.text(), "Message").unwrap().to_owned();
    assert!(says.contains("ListObjectVersions"), "{says}");
    let versions = s3.get("/data?versions").await.expect(200).text();
    let id = element(&versions, "VersionId").unwrap().to_owned();
    s3.delete(&format!("/data/a?versionId={id}")).await.expect(204);
    s3.delete("/data").await.expect(204);
    s3.put("/data", "").await.expect(200);
    s3.put("/data/a", "x").await.expect(200);
    s3.delete("/more").await.expect(204);
    assert_refused(&s3.delete("/more").await, 404, "NoSuchBucket");
    assert_eq!(usage(&app, &token).await, (1, 1, 1));
}

#[db_test]
async fn an_object_is_the_same_by_s3_and_by_the_api(app: App) {
    let (token, s3) = with_key(&app).await;
    s3.put("/data", "").await.expect(200);
    let put = s3
        .request(Method::PUT, "/data/a%20b/%C3%A9%2B%28x%29.txt")
        .header("content-type", "text/plain; charset=utf-8")
        .header("x-amz-meta-colour", "blue")
        .header("cache-control", "max-age=60")
        .header("content-encoding", "aws-chunked,gzip")
        .body("hello")
        .send()
        .await
        .expect(200);
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    assert_eq!(put.header("etag"), Some(etag));
    assert!(put.header("x-amz-request-id").is_some());
    let found = s3.get("/data/a%20b/%C3%A9%2B(x).txt").await.expect(200);
    for (name, value) in [
        ("etag", etag),
        ("content-type", "text/plain; charset=utf-8"),
        ("x-amz-meta-colour", "blue"),
        ("cache-control", "max-age=60, no-transform"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("accept-ranges", "bytes"),
        ("content-security-policy", "default-src 'none'; sandbox"),
    ] {
        assert_eq!(found.header(name), Some(value), "{name}");
    }
    assert!(found.header("x-meta-colour").is_none() && found.header("x-amz-version-id").is_none());
    assert_eq!(found.text(), "hello");
    let by_api = get(&app, &token, &url("data", "a%20b/%C3%A9%2B(x).txt"))
        .await
        .expect(200);
    assert_eq!(
        (by_api.text().as_str(), by_api.header("x-meta-colour")),
        ("hello", Some("blue"))
    );
    assert_eq!(by_api.header("content-encoding"), Some("gzip"));
    let described = get(&app, &token, "/api/v1/storage/buckets/data/objects")
        .await
        .value();
    assert_eq!(described["items"][0]["metadata"], json!({"colour": "blue"}));
    assert_eq!(app.emitted::<ObjectCreated>().await.len(), 1);
    assert!(app.audited("object.create").await.len() == 1);

    let head = s3
        .request(Method::HEAD, "/data/a%20b/%C3%A9%2B(x).txt")
        .send()
        .await
        .expect(200);
    assert_eq!(
        (head.header("content-length"), head.text().as_str()),
        (Some("5"), "")
    );
    s3.delete("/data/a%20b/%C3%A9%2B(x).txt").await.expect(204);
    assert_refused(&s3.get("/data/a%20b/%C3%A9%2B(x).txt").await, 404, "NoSuchKey");
    s3.delete("/data/a%20b/%C3%A9%2B(x).txt").await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_conditions_and_chosen_headers() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let (_, s3) = with_key(&app).await;
    s3.put("/data", "").await.expect(200);
    let body = bytes(100_000);
    s3.put("/data/a", body.clone()).await.expect(200);
    let etag = s3.get("/data/a").await.header("etag").unwrap().to_owned();
    let part = s3
        .request(Method::GET, "/data/a")
        .header("range", "bytes=70000-")
        .send()
        .await
        .expect(206);
    assert_eq!(part.bytes(), &body[70_000..]);
    let beyond = s3
        .request(Method::GET, "/data/a")
        .header("range", "bytes=100000-")
        .send()
        .await;
    assert_refused(&beyond, 416, "InvalidRange");
    assert_eq!(beyond.header("content-range"), Some("bytes */100000"));
    s3.request(Method::GET, "/data/a")
        .header("if-none-match", &etag)
        .send()
        .await
        .expect(304);
    let other = s3
        .request(Method::GET, "/data/a")
        .header("if-match", "\"x\"")
        .send()
        .await;
    assert_refused(&other, 412, "PreconditionFailed");
    let again = s3
        .request(Method::PUT, "/data/a")
        .header("if-none-match", "*")
        .body("y")
        .send()
        .await;
    assert_refused(&again, 412, "PreconditionFailed");
    let chosen = "/data/a?response-content-type=text/x&response-content-disposition=attachment&response-cache-control=no-store";
    let chosen = s3.get(chosen).await.expect(200);
    assert_eq!(chosen.header("content-type"), Some("text/x"));
    assert_eq!(chosen.header("content-disposition"), Some("attachment"));
    assert_eq!(chosen.header("cache-control"), Some("no-store, no-transform"));
    // Whatever is chosen, nothing runs.
    let shown = "/data/a?response-content-type=text/html&response-content-disposition=inline";
    let shown = s3.get(shown).await.expect(200);
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-disposition", "inline"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(shown.header(name), Some(value));
    }
}

#[db_test]
async fn keys_are_listed_by_prefix_and_folder_a_page_at_a_time(app: App) {
    let (_, s3) = with_key(&app).await;
    s3.put("/data", "").await.expect(200);
    for key in ["a/1", "a/2", "a/b/3", "a.txt", "b%20%26.txt", "%C3%A9/x"] {
        s3.put(&format!("/data/{key}"), "x").await.expect(200);
    }
    for (query, keys, folders) in [
        (
            "",
            &["a.txt", "a/1", "a/2", "a/b/3", "b &amp;.txt", "\u{e9}/x"][..],
            &[][..],
        ),
        ("delimiter=/", &["a.txt", "b &amp;.txt"], &["a/", "\u{e9}/"]),
        ("prefix=a/&delimiter=/", &["a/1", "a/2"], &["a/b/"]),
        ("prefix=/", &[], &[]),
        ("prefix=nothing", &[], &[]),
        ("max-keys=0", &[], &[]),
        ("encoding-type=url&prefix=b", &["b%20%26.txt"], &[]),
    ] {
        for version in ["list-type=2&", ""] {
            let found = s3
                .get(&format!("/data?{version}{query}"))
                .await
                .expect(200)
                .text();
            assert_eq!(elements(&found, "Key"), keys, "{query}");
            let prefixes = found.split("<CommonPrefixes>").skip(1);
            let prefixes: Vec<_> = prefixes.filter_map(|part| element(part, "Prefix")).collect();
            assert_eq!(prefixes, folders, "{query}");
            assert_eq!(element(&found, "IsTruncated"), Some("false"));
        }
    }
    // One entry at a time, by either way, with folders in between.
    for (query, next, name) in [
        (
            "list-type=2&delimiter=/&max-keys=1",
            "NextContinuationToken",
            "continuation-token",
        ),
        ("delimiter=/&max-keys=1", "NextMarker", "marker"),
    ] {
        let (mut all, mut at) = (Vec::new(), String::new());
        loop {
            let found = s3.get(&format!("/data?{query}{at}")).await.expect(200).text();
            all.extend(elements(&found, "Key"));
            let prefixes = found.split("<CommonPrefixes>").skip(1);
            all.extend(
                prefixes
                    .filter_map(|part| element(part, "Prefix"))
                    .map(str::to_owned),
            );
            let Some(place) = element(&found, next) else { break };
            let place = place
                .replace("&amp;", "&")
                .replace(' ', "%20")
                .replace('&', "%26");
            at = format!("&{name}={}", place.replace('\u{e9}', "%C3%A9"));
        }
        assert_eq!(all, ["a.txt", "a/", "b &amp;.txt", "\u{e9}/"], "{query}");
    }
    let found = s3
        .get("/data?list-type=2&start-after=a/1&fetch-owner=true")
        .await
        .expect(200)
        .text();
    assert_eq!(elements(&found, "Key").len(), 4);
    assert!(element(&found, "Owner").is_some() && element(&found, "KeyCount") == Some("4"));
    for wrong in [
        "max-keys=x",
        "max-keys=-1",
        "encoding-type=x",
        "list-type=2&continuation-token=x",
    ] {
        assert_refused(&s3.get(&format!("/data?{wrong}")).await, 400, "InvalidArgument");
    }
}

#[db_test]
async fn objects_are_copied_with_their_metadata_or_with_other(app: App) {
    let (token, s3) = with_key(&app).await;
    s3.put("/data", "").await.expect(200);
    s3.put("/more", "").await.expect(200);
    let put = s3.request(Method::PUT, "/data/a").header("x-amz-meta-n", "1");
    put.header("content-type", "text/plain")
        .body("hello")
        .send()
        .await
        .expect(200);
    let copy = |to: &str, from: &str| s3.request(Method::PUT, to).header("x-amz-copy-source", from);
    let made = copy("/more/b%20c", "/data/a").send().await.expect(200);
    assert!(
        element(&made.text(), "ETag")
            .unwrap()
            .contains("5d41402abc4b2a76b9719d911017c592")
    );
    let found = s3.get("/more/b%20c").await.expect(200);
    assert_eq!(
        (found.header("x-amz-meta-n"), found.text().as_str()),
        (Some("1"), "hello")
    );
    assert_refused(&copy("/data/a", "data/a").send().await, 400, "InvalidRequest");
    let itself = copy("/data/a", "data/a").header("x-amz-metadata-directive", "REPLACE");
    itself.header("x-amz-meta-n", "2").send().await.expect(200);
    assert_eq!(s3.get("/data/a").await.header("x-amz-meta-n"), Some("2"));
    assert_eq!(s3.get("/data/a").await.text(), "hello");
    let stale = copy("/data/c", "data/a").header("x-amz-copy-source-if-match", "\"x\"");
    assert_refused(&stale.send().await, 412, "PreconditionFailed");
    for (from, status, code) in [
        ("data/none", 404, "NoSuchKey"),
        ("nowhere/a", 404, "NoSuchBucket"),
        ("data", 400, "InvalidArgument"),
        ("data/a?versionId=x", 400, "InvalidArgument"),
    ] {
        assert_refused(&copy("/data/c", from).send().await, status, code);
    }
    // From an older version.
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    s3.put("/data?versioning", enable).await.expect(200);
    let first = s3.put("/data/v", "one").await.expect(200);
    let first = first.header("x-amz-version-id").unwrap().to_owned();
    s3.put("/data/v", "two").await.expect(200);
    let older = format!("/data/v?versionId={first}");
    assert_eq!(s3.get(&older).await.expect(200).text(), "one");
    copy("/data/v", &format!("/data/v?versionId={first}"))
        .send()
        .await
        .expect(200);
    assert_eq!(s3.get("/data/v").await.text(), "one");
    s3.delete(&older).await.expect(204);
    assert_refused(&s3.get(&older).await, 404, "NoSuchVersion");
    // Of data: a, and two versions of v; of more: b c.
    assert_eq!(usage(&app, &token).await.1, 4);
}

#[db_test]
async fn many_objects_are_deleted_at_once(app: App) {
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    for n in 0..40 {
        s3.put(&format!("/data/{n}"), "x").await.expect(200);
    }
    let keys = |quiet: &str| {
        let objects: String = (0..40)
            .map(|n| format!("<Object><Key>{n}</Key></Object>"))
            .collect();
        format!(
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{quiet}{objects}<Object><Key>never</Key></Object></Delete>"
        )
    };
    let done = s3.post("/data?delete", keys("")).await.expect(200).text();
    assert_eq!(elements(&done, "Key").len(), 41);
    assert_eq!(
        elements(&s3.get("/data?list-type=2").await.text(), "Key").len(),
        0
    );
    let done = s3
        .post("/data?delete", keys("<Quiet>true</Quiet>"))
        .await
        .expect(200)
        .text();
    assert!(!done.contains("<Key>"), "{done}");
    for wrong in ["", "<Delete/>", "<Other/>", "nonsense"] {
        assert_refused(&s3.post("/data?delete", wrong).await, 400, "MalformedXML");
    }
    let many: String = (0..1001)
        .map(|n| format!("<Object><Key>{n}</Key></Object>"))
        .collect();
    assert_refused(
        &s3.post("/data?delete", format!("<Delete>{many}</Delete>")).await,
        400,
        "MalformedXML",
    );
    make_bucket(&app, &app.token(app.new_user(), &[]), "others", json!({}))
        .await
        .expect(201);
    assert_refused(&s3.post("/others?delete", keys("")).await, 404, "NoSuchBucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn entity_tags_are_compared_with_or_without_quotes() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data/a", "hello").await.expect(200);
    let own = "5d41402abc4b2a76b9719d911017c592";
    for tag in [own.to_owned(), format!("\"{own}\""), format!("none, {own}")] {
        for (header, status) in [("if-match", 200), ("if-none-match", 304)] {
            let get = s3.request(Method::GET, "/data/a").header(header, &tag);
            get.send().await.expect(status);
        }
        let put = s3.request(Method::PUT, "/data/a").header("if-none-match", &tag);
        assert_refused(&put.body("other").send().await, 412, "PreconditionFailed");
        for (header, status) in [
            ("x-amz-copy-source-if-match", 200),
            ("x-amz-copy-source-if-none-match", 412),
        ] {
            let copy = s3.request(Method::PUT, "/data/b").header(header, &tag);
            let copy = copy.header("x-amz-copy-source", "/data/a");
            copy.send().await.expect(status);
        }
    }
    for (tag, status) in [(own, 206), ("none", 200), ("Fri, 01 Jan 2021 00:00:00 GMT", 200)] {
        let get = s3.request(Method::GET, "/data/a").header("if-range", tag);
        get.header("range", "bytes=0-0").send().await.expect(status);
    }
    let wrong = s3.request(Method::GET, "/data/a").header("if-match", "\"open");
    assert_refused(&wrong.send().await, 400, "InvalidRequest");
    // Only by S3: the API takes what RFC 9110 does.
    let by_api = app.get(&url("data", "a")).bearer(&token).header("if-match", own);
    by_api.send().await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_came_as_one_has_one_part() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data/a", "hello").await.expect(200);
    s3.put("/data/empty", "").await.expect(200);
    for (method, text) in [(Method::GET, "hello"), (Method::HEAD, "")] {
        let part = s3
            .request(method, "/data/a?partNumber=1")
            .send()
            .await
            .expect(206);
        assert_eq!(part.header("x-amz-mp-parts-count"), Some("1"));
        assert_eq!(part.header("content-range"), Some("bytes 0-4/5"));
        assert_eq!(
            (part.header("content-length"), part.text().as_str()),
            (Some("5"), text)
        );
    }
    let empty = s3.get("/data/empty?partNumber=1").await.expect(200);
    assert_eq!(empty.header("x-amz-mp-parts-count"), Some("1"));
    assert_refused(&s3.get("/data/a?partNumber=2").await, 416, "InvalidPartNumber");
    assert_refused(&s3.get("/data/none?partNumber=1").await, 404, "NoSuchKey");
    for number in ["0", "10001", "x"] {
        let path = format!("/data/a?partNumber={number}");
        assert_refused(&s3.get(&path).await, 400, "InvalidArgument");
    }
    let both = s3
        .request(Method::GET, "/data/a?partNumber=1")
        .header("range", "bytes=0-1");
    assert_refused(&both.send().await, 400, "InvalidRequest");
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_listed_by_pages_and_prefix() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let (_, s3) = with_key(&app).await;
    for name in ["one-a", "two-a", "one-b", "one-c"] {
        s3.put(&format!("/{name}"), "").await.expect(200);
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    for more in [true, false] {
        let path = format!("/?max-buckets=2&prefix=one&continuation-token={token}");
        let listed = s3.get(&path).await.expect(200).text();
        names.extend(elements(&listed, "Name"));
        let next = element(&listed, "ContinuationToken");
        assert_eq!(next.is_some(), more, "{listed}");
        token = next.unwrap_or_default().to_owned();
    }
    assert_eq!(names, ["one-c", "one-b", "one-a"]);
    let names = async |path: &str| elements(&s3.get(path).await.expect(200).text(), "Name");
    assert_eq!(names("/?bucket-region=us-east-1").await.len(), 4);
    assert!(names("/?bucket-region=eu-west-1").await.is_empty());
    for wrong in ["max-buckets=0", "max-buckets=x", "continuation-token=x"] {
        assert_refused(&s3.get(&format!("/?{wrong}")).await, 400, "InvalidArgument");
    }
    // An empty token is none, in a bucket too.
    s3.put("/one-a/key", "x").await.expect(200);
    let listed = s3.get("/one-a?list-type=2&continuation-token=").await;
    assert_eq!(elements(&listed.expect(200).text(), "Key"), ["key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_as_it_is_and_is_not_there_is_not_found() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    s3.put("/data/a", "hello").await.expect(200);
    let asked = |method: Method, path: &str| s3.request(method, path).header("if-match", "\"x\"");
    let copy = |path: &str| asked(Method::PUT, path).header("x-amz-copy-source", "/data/a");
    for (request, status, code) in [
        (asked(Method::PUT, "/data/none").body("x"), 404, "NoSuchKey"),
        (asked(Method::PUT, "/data/a").body("x"), 412, "PreconditionFailed"),
        (copy("/data/none"), 404, "NoSuchKey"),
        (asked(Method::DELETE, "/data/none"), 404, "NoSuchKey"),
        (asked(Method::DELETE, "/data/a"), 412, "PreconditionFailed"),
    ] {
        assert_refused(&request.send().await, status, code);
    }
    let several = "<Delete><Object><Key>none</Key><ETag>x</ETag></Object></Delete>";
    let answer = s3.post("/data?delete", several).await.expect(200).text();
    assert_eq!(element(&answer, "Code"), Some("NoSuchKey"));
}

#[db_test]
async fn the_same_again_was_modified_again(app: App) {
    let (token, s3) = with_key(&app).await;
    s3.put("/data", "").await.expect(200);
    let modified = async || {
        let head = s3.request(Method::HEAD, "/data/a").send().await.expect(200);
        head.header("last-modified").unwrap().to_owned()
    };
    s3.put("/data/a", "x").await.expect(200);
    let before = modified().await;
    app.clock().advance(Duration::from_secs(5));
    s3.put("/data/a", "x").await.expect(200);
    assert_ne!(modified().await, before);
    app.settle().await;
    assert_eq!(
        (usage(&app, &token).await, stored(&app).await.len()),
        ((1, 1, 1), 1)
    );
}
