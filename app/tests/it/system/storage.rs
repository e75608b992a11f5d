//! Objects on their way through the gateway: larger than what is kept in memory, and broken off.

use bytes::Bytes;
use futures::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{System, email};
use crate::stoa::{Caller, token};

const PIECE: usize = 64 * 1024;
/// Far more than the largest body of any other request.
const PIECES: usize = 640;

/// The n-th piece of a large object: no two are alike.
fn piece(n: usize) -> Bytes {
    let mut piece = vec![u8::try_from(n % 251).unwrap(); PIECE];
    piece[..8].copy_from_slice(&n.to_be_bytes());
    piece.into()
}

fn pieces(count: usize) -> impl Iterator<Item = Result<Bytes, std::io::Error>> {
    (0..count).map(|n| Ok(piece(n)))
}

async fn put(stoa: &Caller, token: &str, path: &str, body: Body) -> reqwest::Result<reqwest::Response> {
    let call = stoa.request(Method::PUT, &format!("/api/v1/storage/{path}"));
    call.bearer_auth(token).body(body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_is_stored_while_it_arrives_and_is_there_after_all_were_killed() {
    let mut stoa = System::start_alone().await;
    let registered = stoa.register(&email("archivist")).await;
    let token = token(&registered).to_owned();
    let bucket = format!("archive-{}", &registered["user"]["id"].as_str().unwrap()[24..]);
    let made = stoa
        .request(Method::POST, "/api/v1/storage/buckets")
        .bearer_auth(&token)
        .json(&json!({ "name": bucket }))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());

    let path = format!("{bucket}/large.bin");
    let stored = put(
        &stoa,
        &token,
        &path,
        Body::wrap_stream(stream::iter(pieces(PIECES))),
    )
    .await
    .unwrap();
    assert_eq!(stored.status(), StatusCode::CREATED);
    let stored: Value = stored.json().await.unwrap();
    assert_eq!(stored["size"], PIECE * PIECES);

    // One that is under way when everything is killed.
    let endless = stream::iter(pieces(20)).chain(stream::pending());
    let broken = tokio::spawn({
        let (caller, token, path) = ((*stoa).clone(), token.clone(), format!("{bucket}/broken.bin"));
        async move { put(&caller, &token, &path, Body::wrap_stream(endless)).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    stoa.kill();
    let broken = broken.await.unwrap();
    assert!(!broken.is_ok_and(|answer| answer.status().is_success()));

    let found = stoa.get(&format!("/api/v1/storage/{path}"), &token).await;
    assert_eq!(found.status(), 200);
    assert_eq!(
        found.headers()["etag"],
        format!("\"{}\"", stored["etag"].as_str().unwrap())
    );
    let mut found = found.bytes_stream();
    let mut got = Vec::new();
    while let Some(piece) = found.next().await {
        got.extend(piece.unwrap());
    }
    assert!(got == (0..PIECES).flat_map(piece).collect::<Vec<u8>>());
    let part = stoa
        .request(Method::GET, &format!("/api/v1/storage/{path}"))
        .bearer_auth(&token);
    let part = part
        .header("range", format!("bytes={}-{}", PIECE * 9, PIECE * 9 + 7))
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), 9_usize.to_be_bytes().as_slice());
    let missing = stoa
        .get(&format!("/api/v1/storage/{bucket}/broken.bin"), &token)
        .await;
    assert_eq!(missing.status(), 404);
}

/// An access key as clients of S3 have it.
struct S3 {
    id: String,
    secret: String,
}

impl S3 {
    /// A key of the token's person, and its id in the API.
    async fn new(stoa: &Caller, token: &str) -> (Self, String) {
        let call = stoa.request(Method::POST, "/api/v1/storage/access-keys");
        let made = call
            .bearer_auth(token)
            .json(&json!({ "name": "of a test" }))
            .send()
            .await
            .unwrap();
        let made: Value = made.json().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = Self {
            id: text(&made["access_key"]["access_key_id"]),
            secret: text(&made["secret_access_key"]),
        };
        (key, text(&made["access_key"]["id"]))
    }

    /// A signed request, which says nothing of its body.
    fn request(&self, stoa: &Caller, method: &Method, path: &str) -> RequestBuilder {
        let call = stoa.request(method.clone(), path);
        let url = call.try_clone().unwrap().build().unwrap().url().clone();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let time = stoa_kernel::Clock::system()
            .now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let scope = format!("{}/us-east-1/s3/aws4_request", &time[..8]);
        let headers = format!("host:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{time}\n");
        let names = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!("{method}\n{}\n\n{headers}\n{names}\nUNSIGNED-PAYLOAD", url.path());
        let hash = hex::encode(Sha256::digest(canonical));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
        for part in scope.split('/').chain([to_sign.as_str()]) {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        let (id, signature) = (&self.id, hex::encode(key));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        call.header("authorization", authorization)
            .header("x-amz-date", time)
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    }

    /// The status and the body of the answer to such a request without a body.
    async fn ask(&self, stoa: &Caller, method: &Method, path: &str) -> (u16, Bytes) {
        let answer = self.request(stoa, method, path).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_s3_are_passed_on_as_they_are_and_refused_in_their_words() {
    let stoa = System::start().await;
    let registered = stoa.register(&email("s3")).await;
    let token = token(&registered).to_owned();
    let (s3, id) = S3::new(&stoa, &token).await;
    let bucket = format!("/s3/by-s3-{}", &registered["user"]["id"].as_str().unwrap()[24..]);
    assert_eq!(s3.ask(&stoa, &Method::PUT, &bucket).await.0, 200);
    let path = format!("{bucket}/a%20b/%C3%A9");
    // Larger than what is kept of other bodies, and in chunks of HTTP.
    let body = Body::wrap_stream(stream::iter(pieces(80)));
    let put = s3
        .request(&stoa, &Method::PUT, &path)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 200, "{}", put.text().await.unwrap());
    let (status, found) = s3.ask(&stoa, &Method::GET, &path).await;
    assert_eq!((status, found.len()), (200, 80 * PIECE));
    let listed = s3.ask(&stoa, &Method::GET, &bucket).await.1;
    assert!(String::from_utf8_lossy(&listed).contains("<Key>a b/\u{e9}</Key>"));

    let too_long = format!("{bucket}/{}", "x".repeat(9000));
    for (call, status, code) in [
        (
            s3.request(&stoa, &Method::GET, &format!("{bucket}/none")),
            404,
            "NoSuchKey",
        ),
        (s3.request(&stoa, &Method::GET, &too_long), 400, "KeyTooLongError"),
        (stoa.request(Method::GET, &path), 403, "AccessDenied"),
        (stoa.request(Method::PATCH, &path), 403, "AccessDenied"),
    ] {
        let answer = call.send().await.unwrap();
        let kind = answer.headers()["content-type"].clone();
        let (found, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(
            (found, kind.as_bytes()),
            (status, &b"application/xml"[..]),
            "{text}"
        );
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
    }
    let deleted = stoa.request(Method::DELETE, &format!("/api/v1/storage/access-keys/{id}"));
    assert_eq!(deleted.bearer_auth(&token).send().await.unwrap().status(), 204);
    assert_eq!(s3.ask(&stoa, &Method::GET, &path).await.0, 403);
}
