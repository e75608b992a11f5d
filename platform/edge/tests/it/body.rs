//! How much is taken, and what is made smaller.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{StreamExt, stream};
use stoa_http::openapi;
use utoipa::openapi::{
    Content, HttpMethod, PathItem, extensions::ExtensionsBuilder, path::OperationBuilder,
    request_body::RequestBodyBuilder,
};

use crate::story::{request, story, story_with};

fn chunked(size: usize) -> Body {
    let chunks = std::iter::repeat_n(Bytes::from_static(&[b'x'; 10]), size / 10);
    Body::from_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>)))
}

#[tokio::test]
async fn a_body_is_taken_up_to_the_limit() {
    let story = story("max_body = 100");
    for method in ["POST", "PUT"] {
        let fits = story.send_body(request(method, "/echo"), vec![b'x'; 100]).await;
        assert_eq!((fits.status, fits.body.len()), (200, 100));
        let over = story.send_body(request(method, "/echo"), vec![b'x'; 101]).await;
        assert_eq!((over.status, over.code().as_str()), (413, "too_large"));
        assert_eq!(
            story
                .send_body(request(method, "/echo"), chunked(100))
                .await
                .status,
            200
        );
        assert_eq!(
            story
                .send_body(request(method, "/echo"), chunked(110))
                .await
                .code(),
            "too_large"
        );
    }
    let stream = story.send_body(request("POST", "/stream"), chunked(110)).await;
    assert_eq!(stream.code(), "too_large", "streams end at the limit too");
}

#[tokio::test]
async fn the_limit_may_be_larger_than_the_frameworks() {
    let story = story("max_body = 4194304\nmax_json = 4194304");
    assert_eq!(
        story
            .send_body(request("POST", "/echo"), vec![b'x'; 4_000_000])
            .await
            .status,
        200
    );
    let key = request("POST", "/echo").header("idempotency-key", "large");
    assert_eq!(story.send_body(key, vec![b'x'; 3_000_000]).await.status, 200);
}

#[tokio::test]
async fn files_may_be_larger_than_json() {
    let takes = |kind: &str| {
        let body = RequestBodyBuilder::new()
            .content(kind, Content::default())
            .build();
        OperationBuilder::new().request_body(Some(body)).build()
    };
    let story = story_with("max_body = 300000\nmax_json = 1000", |parts| {
        let mut item = PathItem::new(HttpMethod::Post, takes("application/json"));
        item.put = Some(takes("image/png"));
        parts.openapi.paths.paths.insert("/echo".into(), item);
    });
    for (method, size, status) in [
        ("POST", 1000, 200),
        ("POST", 1001, 413),
        ("PUT", 300_000, 200),
        ("PUT", 300_001, 413),
    ] {
        let answer = story.send_body(request(method, "/echo"), vec![b'x'; size]).await;
        assert_eq!(answer.status, status, "{method} {size}");
    }
}

/// What is stored while it arrives has limits of its own, of size and time, and takes up none of the memory for bodies.
#[tokio::test]
async fn uploads_may_be_larger_and_take_longer_than_other_bodies() {
    let settings =
        "max_body = 1000\nmax_json = 1000\nbodies_max = 4000\nmax_upload = 100000\ntimeout = \"300ms\"";
    let story = story_with(settings, |parts| {
        let upload = ExtensionsBuilder::new().add(openapi::UPLOAD, true).build();
        let mut item = PathItem::new(
            HttpMethod::Put,
            OperationBuilder::new().extensions(Some(upload)).build(),
        );
        item.post = Some(OperationBuilder::new().build());
        parts.openapi.paths.paths.insert("/echo".into(), item);
    });
    for (method, size, status) in [
        ("PUT", 100_000, 200),
        ("PUT", 100_010, 413),
        ("POST", 1000, 200),
        ("POST", 1010, 413),
    ] {
        for body in [Body::from(vec![b'x'; size]), chunked(size)] {
            let answer = story.send_body(request(method, "/echo"), body).await;
            assert_eq!(answer.status, status, "{method} {size}");
        }
    }
    let slow = |method| {
        let pieces = stream::iter(0..5).then(async |_| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
        });
        story.send_body(request(method, "/echo"), Body::from_stream(pieces))
    };
    assert_eq!(slow("PUT").await.status, 200);
    assert_ne!(slow("POST").await.status, 200);
}

#[tokio::test]
async fn json_is_taken_up_to_64_kib_unless_the_settings_say_otherwise() {
    let story = story("");
    for (size, status) in [(65_536, 200), (65_537, 413)] {
        let answer = story.send_body(request("POST", "/echo"), vec![b'x'; size]).await;
        assert_eq!(answer.status, status, "{size}");
    }
}

#[tokio::test]
async fn heads_and_addresses_have_limits() {
    let story = story("max_header = 12000");
    let long = story.get(&format!("/plain?{}", "x".repeat(8200))).await;
    assert_eq!((long.status, long.code().as_str()), (414, "uri_too_long"));
    let head = story
        .send(request("GET", "/plain").header("x-much", "x".repeat(12_000)))
        .await;
    assert_eq!((head.status, head.code().as_str()), (431, "header_too_large"));
    let fits = request("GET", &format!("/plain?{}", "x".repeat(8000))).header("x-some", "x".repeat(3000));
    assert_eq!(story.send(fits).await.status, 200);
}

#[tokio::test]
async fn long_text_is_compressed_for_those_who_take_it() {
    let story = story("");
    let plain = story.get("/long").await;
    assert_eq!(
        (plain.header("content-encoding"), plain.header("vary")),
        ("", "accept-encoding")
    );
    for (accept, encoding) in [("gzip, deflate, br", "br"), ("gzip", "gzip")] {
        let answer = story
            .send(request("GET", "/long").header("accept-encoding", accept))
            .await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert_eq!(answer.header("content-length"), "");
        assert!(
            answer.body.len() < plain.body.len() / 10,
            "{encoding}: {} bytes",
            answer.body.len()
        );
        assert_eq!(decoded(encoding, &answer.body).await, plain.body);
    }
}

async fn decoded(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    use async_compression::tokio::write::{BrotliDecoder, GzipDecoder};
    use tokio::io::AsyncWriteExt;
    if encoding == "br" {
        let mut decoder = BrotliDecoder::new(Vec::new());
        decoder.write_all(bytes).await.unwrap();
        decoder.shutdown().await.unwrap();
        return decoder.into_inner();
    }
    let mut decoder = GzipDecoder::new(Vec::new());
    decoder.write_all(bytes).await.unwrap();
    decoder.shutdown().await.unwrap();
    decoder.into_inner()
}

#[tokio::test]
async fn short_answers_and_images_are_left_alone() {
    let story = story("");
    for (method, path) in [("GET", "/plain"), ("GET", "/image"), ("HEAD", "/image")] {
        let answer = story
            .send(request(method, path).header("accept-encoding", "br, gzip"))
            .await;
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (200, ""),
            "{path}"
        );
        assert_ne!(answer.header("content-length"), "");
    }
}
