//! Bodies that a service refuses before it has read them: their callers see the answer, and nobody else sees anything.

use std::time::Duration;

use axum::{Router, body::Body, routing::post};
use bytes::Bytes;
use futures::future::join_all;
use http::StatusCode;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    split::{bare, gateway, gateway_to, head, read, replica, silence},
    story::request,
};

const LARGE: usize = 1_900_000;
/// More than sockets hold.
const HUGE: usize = 16_000_000;
const SETTINGS: &str = "max_body = 16000000\nmax_json = 16000000\nupstream.breaker_volume = 10\n\
                        upstream.eject_after = 2\nupstream.retries = 0";

/// Refuses whatever is sent, and reads nothing of it.
fn refusing() -> Router {
    let refused = async || StatusCode::UNAUTHORIZED;
    Router::new().route("/anything/refused", post(refused))
}

/// So many bytes in all, in pieces, with no length given before.
fn chunked() -> Body {
    let pieces = std::iter::repeat_n(Bytes::from_static(&[b'x'; 10_000]), LARGE / 10_000);
    Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_large_uploads_that_a_service_refuses_are_answered_and_harm_nobody() {
    let service = replica(refusing()).await;
    let gateway = gateway(SETTINGS, &[&service]).await;
    let upload = async |number: usize| {
        let body = if number.is_multiple_of(2) {
            chunked()
        } else {
            Body::from(vec![b'x'; LARGE])
        };
        gateway
            .send_body(request("POST", "/anything/refused"), body)
            .await
    };
    let (answers, others) = tokio::join!(
        join_all((0..40).map(upload)),
        join_all((0..40).map(async |number| {
            sleep(Duration::from_millis(number * 10)).await;
            gateway.get("/plain").await.status
        }))
    );
    for answer in answers {
        assert_eq!(answer.status, 401, "{}", String::from_utf8_lossy(&answer.body));
    }
    assert!(others.iter().all(|status| *status == 200), "{others:?}");
    assert_eq!(gateway.get("/plain").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_service_that_closes_the_connection_at_once_is_passed_on() {
    let address = bare(async |mut stream| {
        let checked = head(&mut stream).await.starts_with("GET");
        let status = if checked {
            "200 OK"
        } else {
            "413 Content Too Large"
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let gateway = gateway_to(SETTINGS, &[format!("http://{address}")]).await;
    for _ in 0..15 {
        let answer = gateway
            .send_body(request("POST", "/anything/x"), vec![b'x'; HUGE])
            .await;
        assert_eq!((answer.status, answer.body.as_ref()), (413, &b"no"[..]));
        assert_eq!(gateway.get("/plain").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_breaks_off_while_a_body_is_sent_is_not_left_alone_for_it() {
    let address = bare(async |mut stream| {
        if head(&mut stream).await.starts_with("GET") {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
        }
    })
    .await;
    let gateway = gateway_to(SETTINGS, &[format!("http://{address}")]).await;
    for _ in 0..15 {
        let upload = gateway.send_body(request("POST", "/anything/x"), vec![b'x'; HUGE]);
        assert_eq!(upload.await.code(), "bad_gateway");
    }
    assert_eq!(gateway.get("/plain").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_all_of_a_body_before_reading_sees_why_it_was_refused() {
    let service = replica(refusing()).await;
    for (path, size, status) in [
        ("refused", 2_000_000, "401"),
        ("refused", 9_000_000, "413"),
        ("absent", 2_000_000, "404"),
    ] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        let head = format!("POST /anything/{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 100_000];
        for _ in 0..size / piece.len() {
            stream.write_all(&piece).await.unwrap();
        }
        let answer = silence(&mut stream).await;
        assert_eq!(answer.get(9..12), Some(status), "{path} {size}: {answer}");
        // The connection is as good as before.
        let next = b"GET /plain HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(next).await.unwrap();
        assert!(silence(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_not_sent_yet_is_not_asked_for_once_it_is_refused() {
    let service = replica(refusing()).await;
    let head =
        "POST /anything/refused HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    let answer = service.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_bodies_by_http2_are_answered_too() {
    let service = replica(refusing()).await;
    let stream = TcpStream::connect(service.address).await.unwrap();
    let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let upload = async |_| {
        let uri = format!("http://{}/anything/refused", service.address);
        let answer = client
            .clone()
            .send_request(request("POST", &uri).body(chunked()).unwrap());
        let answer = timeout(Duration::from_secs(10), answer).await.unwrap().unwrap();
        read(answer).await.status
    };
    assert_eq!(join_all((0..20).map(upload)).await, [401; 20]);
}
