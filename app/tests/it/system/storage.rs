//! Objects on their way through the gateway: larger than what is kept in memory, and broken off.

use bytes::Bytes;
use futures::{StreamExt, stream};
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};

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
