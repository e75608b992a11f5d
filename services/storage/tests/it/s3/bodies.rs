//! Bodies: signed as a whole, in chunks or not at all, and held to their checksums.

use reqwest::Method;
use serde_json::json;
use stoa_db::Engine;

use super::client::{S3, UNSIGNED, assert_refused, sha256};
use crate::helpers::{builder, bytes, count, make_bucket, somebody, stored, usage};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_body_that_is_not_what_was_signed() {
    let app = builder(|config| config.object_max_bytes = 200_000)
        .start(Engine::Sqlite)
        .await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    let put = || s3.request(Method::PUT, "/data/a").body(bytes(100_000));
    let other = put().payload(&sha256(b"other")).send().await;
    assert_refused(&other, 400, "XAmzContentSHA256Mismatch");
    let wrong = put()
        .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")
        .send()
        .await;
    assert_refused(&wrong, 400, "BadDigest");
    assert_refused(
        &put().header("content-md5", "AAAA").send().await,
        400,
        "InvalidDigest",
    );
    let wrong = put().header("x-amz-checksum-crc32", "AAAAAA==").send().await;
    assert_refused(&wrong, 400, "BadDigest");
    let unknown = put().header("x-amz-checksum-md5", "AAAAAA==").send().await;
    assert_refused(&unknown, 400, "InvalidRequest");
    assert_refused(&put().payload("nonsense").send().await, 400, "InvalidArgument");
    assert_refused(
        &put().payload("STREAMING-OTHER").send().await,
        501,
        "NotImplemented",
    );
    let large = s3.put("/data/a", bytes(200_001)).await;
    assert_refused(&large, 400, "EntityTooLarge");
    app.settle().await;
    assert!(stored(&app).await.is_empty());
    assert_eq!(usage(&app, &token).await, (1, 0, 0));
    put().payload(UNSIGNED).send().await.expect(200);
    let right = s3
        .request(Method::PUT, "/data/b")
        .header("x-amz-checksum-crc32", "y/Q5Jg==");
    right.body("123456789").send().await.expect(200);
    assert_eq!(count(&app, "versions").await, 2);
}

/// A body in chunks of this length, each of which is signed.
fn in_chunks(s3: &S3, seed: &str, at: stoa_kernel::Timestamp, body: &[u8], length: usize) -> Vec<u8> {
    let (mut out, mut previous) = (Vec::new(), seed.to_owned());
    for chunk in body.chunks(length).chain([&[][..]]) {
        let rest = format!("{previous}\n{}\n{}", sha256(b""), sha256(chunk));
        previous = s3.signature(at, "AWS4-HMAC-SHA256-PAYLOAD", &rest);
        out.extend(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).into_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_taken_out_and_their_signatures_checked() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = somebody(&app, "data").await;
    let s3 = S3::new(&app, &token, json!({})).await;
    let body = bytes(300_000);
    let put = |key: &str| {
        let request = s3
            .request(Method::PUT, key)
            .header("x-amz-decoded-content-length", "300000")
            .payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
        let (seed, _) = request.signed();
        let (authorization, at) = (request.authorization(), request.at);
        (request, authorization, in_chunks(&s3, &seed, at, &body, 65_536))
    };
    let (request, authorization, chunks) = put("/data/a");
    request.body(chunks).send_with(&authorization).await.expect(200);
    assert!(*s3.get("/data/a").await.bytes() == body);
    let (request, authorization, mut chunks) = put("/data/b");
    chunks[100_000] ^= 1;
    let changed = request.body(chunks).send_with(&authorization).await;
    assert_refused(&changed, 403, "SignatureDoesNotMatch");
    let (request, authorization, chunks) = put("/data/b");
    let cut = request.body(&chunks[..200_000]).send_with(&authorization).await;
    assert_refused(&cut, 400, "IncompleteBody");
    assert_refused(&s3.get("/data/b").await, 404, "NoSuchKey");

    let trailing = |checksum: &str| {
        let body = format!("9\r\n123456789\r\n0\r\nx-amz-checksum-crc64nvme:{checksum}\r\n\r\n");
        s3.request(Method::PUT, "/data/c")
            .header("x-amz-decoded-content-length", "9")
            .header("x-amz-trailer", "x-amz-checksum-crc64nvme")
            .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .body(body)
            .send()
    };
    assert_refused(&trailing("AAAAAAAAAAA=").await, 400, "BadDigest");
    trailing("rosUhgp5mIg=").await.expect(200);
    assert_eq!(s3.get("/data/c").await.text(), "123456789");
    let unsaid = s3
        .request(Method::PUT, "/data/d")
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_refused(
        &unsaid.body("0\r\n\r\n").send().await,
        411,
        "MissingContentLength",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bucket_does_not_take_is_refused_here_too() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let token = app.token(app.new_user(), &[]);
    let only = json!({"allowed_types": ["image/*"], "max_object_bytes": 10});
    make_bucket(&app, &token, "pictures", only).await.expect(201);
    let s3 = S3::new(&app, &token, json!({})).await;
    let put = |body: &str| {
        let request = s3
            .request(Method::PUT, "/pictures/a")
            .header("content-type", "text/plain");
        request.body(body).send()
    };
    assert_refused(&put("x").await, 400, "InvalidArgument");
    assert_refused(
        &s3.put("/pictures/a", "more than ten").await,
        400,
        "EntityTooLarge",
    );
}
