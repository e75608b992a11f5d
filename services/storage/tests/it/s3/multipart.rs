//! Uploads in parts by S3.

use reqwest::Method;
use serde_json::json;
use stoa_db::{Engine, db_test};
use stoa_storage::events::ObjectCreated;
use stoa_testkit::TestApp;

use super::client::{S3, assert_refused, element, elements};
use crate::helpers::{App, builder, bytes, get, somebody, stored, url, usage};

const PART: usize = 5 * 1024 * 1024;

/// Begins an upload, and returns its id.
async fn begin(s3: &S3, path: &str) -> String {
    let begun = s3.request(Method::POST, &format!("{path}?uploads"));
    let begun = begun
        .header("content-type", "text/plain")
        .header("x-amz-meta-n", "1")
        .send()
        .await
        .expect(200)
        .text();
    element(&begun, "UploadId").unwrap().to_owned()
}

/// Puts a part, and returns its ETag.
async fn part(s3: &S3, path: &str, id: &str, number: usize, body: &[u8]) -> String {
    let path = format!("{path}?partNumber={number}&uploadId={id}");
    let put = s3.put(&path, body).await.expect(200);
    put.header("etag").unwrap().to_owned()
}

fn listing(parts: &[(usize, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

async fn owner(app: &TestApp) -> (String, S3) {
    let token = somebody(app, "data").await;
    let s3 = S3::new(app, &token, json!({})).await;
    (token, s3)
}

#[db_test]
async fn an_object_is_put_together_of_its_parts(app: App) {
    let (token, s3) = owner(&app).await;
    let whole = bytes(2 * PART + 1000);
    let id = begin(&s3, "/data/a%20b").await;
    let first = part(&s3, "/data/a%20b", &id, 1, &whole[..PART]).await;
    let last = part(&s3, "/data/a%20b", &id, 7, b"to be replaced").await;
    let middle = part(&s3, "/data/a%20b", &id, 3, &whole[PART..2 * PART]).await;
    let again = part(&s3, "/data/a%20b", &id, 7, &whole[2 * PART..]).await;
    assert_ne!(last, again);

    let listed = s3
        .get(&format!("/data/a%20b?uploadId={id}"))
        .await
        .expect(200)
        .text();
    assert_eq!(elements(&listed, "PartNumber"), ["1", "3", "7"]);
    assert_eq!(elements(&listed, "Size"), ["5242880", "5242880", "1000"]);
    let page = format!("/data/a%20b?uploadId={id}&max-parts=1&part-number-marker=1");
    let page = s3.get(&page).await.expect(200).text();
    assert_eq!(element(&page, "NextPartNumberMarker"), Some("3"));
    let open = s3.get("/data?uploads").await.expect(200).text();
    assert_eq!(
        (elements(&open, "Key"), elements(&open, "UploadId")),
        (vec!["a b".to_owned()], vec![id.clone()])
    );
    assert_refused(&s3.get("/data/a%20b").await, 404, "NoSuchKey");

    let target = format!("/data/a%20b?uploadId={id}");
    let parts = listing(&[(1, &first), (3, &middle), (7, &again)]);
    let wrong_checksum = s3
        .request(Method::POST, &target)
        .header("x-amz-checksum-crc32", "AAAAAA==");
    let made = wrong_checksum.body(parts.clone()).send().await.expect(200).text();
    let etag = element(&made, "ETag").unwrap().replace("&quot;", "");
    assert!(etag.ends_with("-3"), "{etag}");
    // A caller who did not get the answer asks again.
    assert_eq!(s3.post(&target, parts).await.expect(200).text(), made);
    let found = s3.get("/data/a%20b").await.expect(200);
    assert!(*found.bytes() == whole && found.header("x-amz-meta-n") == Some("1"));
    let part = s3
        .request(Method::GET, "/data/a%20b")
        .header("range", "bytes=5242870-5242890");
    assert_eq!(
        part.send().await.expect(206).bytes(),
        &whole[5_242_870..5_242_891]
    );
    assert_eq!(
        get(&app, &token, &url("data", "a%20b"))
            .await
            .expect(200)
            .header("content-type"),
        Some("text/plain")
    );
    assert_eq!(app.emitted::<ObjectCreated>().await.len(), 1);
    app.settle().await;
    assert_eq!(stored(&app).await.len(), 3);
    assert_eq!(
        usage(&app, &token).await,
        (1, 1, i64::try_from(whole.len()).unwrap())
    );
    assert_refused(&s3.delete(&target).await, 404, "NoSuchUpload");
}

#[db_test]
async fn parts_that_are_not_right_leave_the_upload_open(app: App) {
    let (token, s3) = owner(&app).await;
    let id = begin(&s3, "/data/a").await;
    let small = part(&s3, "/data/a", &id, 1, b"small").await;
    let other = part(&s3, "/data/a", &id, 2, b"other").await;
    let target = format!("/data/a?uploadId={id}");
    let none = "\"00000000000000000000000000000000\"";
    for (parts, status, code) in [
        (listing(&[(1, &small), (2, &other)]), 400, "EntityTooSmall"),
        (listing(&[(2, &other), (1, &small)]), 400, "InvalidPartOrder"),
        (listing(&[(1, none)]), 400, "InvalidPart"),
        (listing(&[(3, &small)]), 400, "InvalidPart"),
        (listing(&[(1, "x")]), 400, "InvalidPart"),
        (listing(&[]), 400, "MalformedXML"),
        (String::new(), 400, "MalformedXML"),
    ] {
        assert_refused(&s3.post(&target, parts).await, status, code);
    }
    for number in ["0", "10001", "x", ""] {
        let path = format!("/data/a?partNumber={number}&uploadId={id}");
        assert_refused(&s3.put(&path, "x").await, 400, "InvalidArgument");
    }
    for (path, method) in [
        (format!("/data/b?uploadId={id}"), Method::GET),
        ("/data/a?uploadId=x".to_owned(), Method::GET),
        (format!("/data/b?partNumber=1&uploadId={id}"), Method::PUT),
        (format!("/data/b?uploadId={id}"), Method::DELETE),
    ] {
        assert_refused(&s3.request(method, &path).send().await, 404, "NoSuchUpload");
    }
    let eve = S3::new(&app, &app.token(app.new_user(), &[]), json!({})).await;
    assert_refused(&eve.get(&target).await, 404, "NoSuchBucket");
    assert_refused(&eve.delete(&target).await, 404, "NoSuchBucket");
    assert_refused(&eve.get("/data?uploads").await, 404, "NoSuchBucket");
    let reader = S3::new(&app, &token, json!({"read_only": true})).await;
    assert_refused(&reader.post("/data/a?uploads", "").await, 403, "AccessDenied");
    assert_refused(
        &reader
            .put(&format!("/data/a?partNumber=1&uploadId={id}"), "x")
            .await,
        403,
        "AccessDenied",
    );
    assert_refused(
        &app.get(&format!("/s3{target}")).send().await,
        403,
        "AccessDenied",
    );

    s3.post(&target, listing(&[(1, &small)])).await.expect(200);
    assert_eq!(s3.get("/data/a").await.expect(200).text(), "small");
    let given_up = begin(&s3, "/data/b").await;
    part(&s3, "/data/b", &given_up, 1, b"given up").await;
    s3.delete(&format!("/data/b?uploadId={given_up}"))
        .await
        .expect(204);
    let late = s3
        .put(&format!("/data/b?partNumber=2&uploadId={given_up}"), "x")
        .await;
    assert_refused(&late, 404, "NoSuchUpload");
    app.settle().await;
    assert_eq!(
        (stored(&app).await.len(), usage(&app, &token).await),
        (1, (1, 1, 5))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_copied_from_an_object() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let (_, s3) = owner(&app).await;
    s3.put("/data/source", "0123456789").await.expect(200);
    let id = begin(&s3, "/data/a").await;
    let copy = |number: usize, range: &str| {
        let path = format!("/data/a?partNumber={number}&uploadId={id}");
        let request = s3
            .request(Method::PUT, &path)
            .header("x-amz-copy-source", "/data/source");
        let request = if range.is_empty() {
            request
        } else {
            request.header("x-amz-copy-source-range", range)
        };
        async { request.send().await }
    };
    for wrong in ["bytes=3-2", "bytes=5-", "0-1"] {
        assert_refused(&copy(1, wrong).await, 400, "InvalidArgument");
    }
    for beyond in ["bytes=5-10", "bytes=10-10"] {
        assert_refused(&copy(1, beyond).await, 416, "InvalidRange");
    }
    let made = copy(1, "bytes=2-4").await.expect(200).text();
    let etag = element(&made, "ETag").unwrap();
    s3.post(&format!("/data/a?uploadId={id}"), listing(&[(1, etag)]))
        .await
        .expect(200);
    assert_eq!(s3.get("/data/a").await.text(), "234");
}
