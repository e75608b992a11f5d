//! What callers do wrong: it counts for nothing in what is known of a service, and keeps nobody else from it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::{
    split::{Process, bare, client, gateway, gateway_to, head, pieces, read, replica, silence},
    story::request,
};

/// A gateway that leaves a service alone after little.
const WARY: &str = "upstream.breaker_volume = 3\nupstream.eject_after = 2\nupstream.retries = 0\n\
                    upstream.breaker_for = \"1h\"\nbody_grace = \"200ms\"\nmax_json = 1000\n";

/// Sends a head and the beginning of a body, and returns the first line of the answer, after which the connection ends.
async fn begun(gateway: &Process, head: &str, body: &str) -> String {
    let mut stream = gateway.connect().await;
    let _ = stream
        .write_all(format!("{head}\r\nhost: x\r\n\r\n{body}").as_bytes())
        .await;
    let mut bytes = Vec::new();
    // What was not read of the body may make the end an abrupt one.
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

const CHUNKED: &str = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked";
const KNOWN: &str = "POST /echo HTTP/1.1\r\ncontent-length: 100";

#[tokio::test]
async fn broken_slow_and_large_bodies_do_not_take_a_service_away_from_others() {
    let shop = replica(Router::new()).await;
    let gateway = gateway(WARY, &[&shop]).await;
    for _ in 0..4 {
        assert_eq!(
            begun(&gateway, CHUNKED, "5\r\nhello\r\nZZ\r\n").await,
            "HTTP/1.1 400 Bad Request"
        );
        for method in ["POST", "PUT"] {
            let head = KNOWN.replace("POST", method);
            let mut early = gateway.connect().await;
            early
                .write_all(format!("{head}\r\nhost: x\r\n\r\nhel").as_bytes())
                .await
                .unwrap();
            drop(early);
            assert_eq!(
                begun(&gateway, &head, "hel").await,
                "HTTP/1.1 408 Request Timeout"
            );
        }
        let large = "100\r\n".to_owned() + &"x".repeat(256) + "\r\n";
        let large = large.repeat(5);
        assert_eq!(
            begun(&gateway, CHUNKED, &large).await,
            "HTTP/1.1 413 Payload Too Large"
        );
        let answer = gateway.get("/plain").await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}

#[tokio::test]
async fn who_lets_the_time_of_a_request_run_out_is_told_so_and_blames_nobody() {
    let shop = replica(Router::new()).await;
    let settings =
        format!("{WARY}timeout = \"200ms\"").replace("body_grace = \"200ms\"", "body_grace = \"1h\"");
    let gateway = gateway(&settings, &[&shop]).await;
    for _ in 0..4 {
        assert_eq!(
            begun(&gateway, KNOWN, "hel").await,
            "HTTP/1.1 408 Request Timeout"
        );
        assert_eq!(
            begun(&gateway, CHUNKED, "3\r\nhel").await,
            "HTTP/1.1 408 Request Timeout"
        );
        assert_eq!(gateway.get("/plain").await.status, 200);
    }
}

#[tokio::test]
async fn streams_of_http_2_that_are_reset_blame_nobody() {
    let shop = replica(Router::new()).await;
    let gateway = gateway(WARY, &[&shop]).await;
    let io = TokioIo::new(gateway.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    for _ in 0..10 {
        let unfinished = stream::iter([Ok::<_, std::io::Error>(Bytes::from("hel"))]).chain(stream::pending());
        let asked = Request::post("http://x/echo")
            .body(Body::from_stream(unfinished))
            .unwrap();
        let reset = timeout(Duration::from_millis(50), sender.send_request(asked)).await;
        assert!(reset.is_err(), "there is no answer to half of a request");
        let fails = stream::iter([Ok(Bytes::from("hel")), Err(std::io::Error::other("gone"))]);
        let asked = Request::post("http://x/echo")
            .body(Body::from_stream(fails))
            .unwrap();
        assert!(sender.send_request(asked).await.is_err());
    }
    assert_eq!(gateway.get("/plain").await.status, 200);
}

#[tokio::test]
async fn broken_handshakes_of_sockets_blame_nobody() {
    let shop = replica(Router::new()).await;
    let gateway = gateway(WARY, &[&shop]).await;
    let head = "GET /ws HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\ntransfer-encoding: chunked";
    for _ in 0..4 {
        begun(&gateway, head, "ZZ\r\n").await;
    }
    assert_eq!(gateway.get("/plain").await.status, 200);
}

#[tokio::test]
async fn no_callers_request_finds_out_whether_a_service_is_well_again() {
    let well = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&well);
    let address = bare(move |mut stream| {
        let state = Arc::clone(&state);
        async move {
            let head = head(&mut stream).await;
            if head.starts_with("POST") {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            } else if head.starts_with("GET /health") || state.load(Ordering::SeqCst) {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    let settings = WARY.replace("\"1h\"", "\"300ms\"").replace("\"200ms\"", "\"1h\"");
    let gateway = gateway_to(&settings, &[format!("http://{address}")]).await;
    while gateway.get("/plain").await.code() != "upstream_unavailable" {}
    well.store(true, Ordering::SeqCst);
    // Whoever comes first while the service is left alone sends slowly.
    let mut slow = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut stream = gateway.connect().await;
        stream
            .write_all(format!("{KNOWN}\r\nhost: x\r\n\r\nhel").as_bytes())
            .await
            .unwrap();
        slow.push(stream);
        if gateway.get("/plain").await.status == 200 {
            break;
        }
        assert!(Instant::now() < deadline, "the service is still held away");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(silence(&mut slow[0]).await.len() < 2000);
}

#[tokio::test]
async fn a_body_that_is_read_late_is_not_its_callers_fault() {
    // A service that takes its time before it reads: the caller has sent all that it can.
    let address = bare(async |mut stream| {
        let head = head(&mut stream).await;
        if head.starts_with("POST") {
            sleep(Duration::from_millis(600)).await;
            let mut left = 90_000;
            let mut buffer = vec![0; 65_536];
            while left > 0 {
                left -= stream.read(&mut buffer).await.unwrap_or(left).max(1).min(left);
            }
        }
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    })
    .await;
    let settings = "body_grace = \"200ms\"\nmax_json = 1000000";
    let gateway = gateway_to(settings, &[format!("http://{address}")]).await;
    let answer = gateway
        .send_body(request("POST", "/echo"), vec![b'x'; 90_000])
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

#[tokio::test]
async fn connection_names_no_header_that_the_edge_goes_by() {
    let facts = axum::routing::get(async |headers: http::HeaderMap| format!("{headers:?}"));
    let shop = replica(Router::new().route("/anything/headers", facts)).await;
    let gateway = gateway("", &[&shop]).await;
    for (name, value) in [
        ("cookie", "a=b"),
        ("x-csrf-token", "token"),
        ("content-type", "application/json"),
        ("if-match", "\"1\""),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-request-timeout-ms", "30000"),
        ("x-request-id", "one"),
    ] {
        let asked = request("GET", "/anything/headers")
            .header(name, value)
            .header("connection", format!("keep-alive, {name}"));
        let seen = String::from_utf8(gateway.send(asked).await.body.to_vec()).unwrap();
        assert!(seen.contains(name), "{name} is not in {seen}");
    }
    let private = request("GET", "/anything/headers")
        .header("x-private", "1")
        .header("connection", "x-private");
    let seen = String::from_utf8(gateway.send(private).await.body.to_vec()).unwrap();
    assert!(!seen.contains("x-private"), "{seen}");
}

#[tokio::test]
async fn a_caller_is_the_same_to_gateway_and_service_whatever_connection_names() {
    let shop = replica(Router::new()).await;
    let gateway = gateway("", &[&shop]).await;
    let signed_in = crate::story::story("").token();
    for connection in [
        "authorization",
        "keep-alive, Authorization",
        "close, authorization",
    ] {
        let asked = request("GET", "/me")
            .header("authorization", format!("Bearer {}", signed_in.0))
            .header("connection", connection);
        let answer = gateway.send(asked).await;
        assert_eq!(answer.body, signed_in.1.to_string(), "{connection}");
    }
}

#[tokio::test]
async fn one_caller_cannot_take_the_memory_for_bodies_from_others() {
    let shop = replica(Router::new()).await;
    let settings =
        "bodies_max = 40000\nmax_json = 10000\nmax_body = 10000\ntrusted_proxies = [\"127.0.0.1\"]";
    let gateway = gateway(settings, &[&shop]).await;
    let asked = |address: &'static str| {
        Request::put("/echo")
            .header("host", "x")
            .header("x-forwarded-for", address)
    };
    let held = move |address| {
        let part = stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 9000]))]);
        asked(address)
            .header("content-length", "9001")
            .body(Body::from_stream(part.chain(stream::pending())))
            .unwrap()
    };
    let mut holders = Vec::new();
    for _ in 0..2 {
        let mut sender = client(gateway.address).await;
        holders.push(tokio::spawn(async move {
            sender.send_request(held("192.0.2.1")).await
        }));
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    let ended = loop {
        assert!(Instant::now() < deadline, "one of the two is refused");
        match holders.iter().position(tokio::task::JoinHandle::is_finished) {
            Some(ended) => break holders.swap_remove(ended),
            None => sleep(Duration::from_millis(10)).await,
        }
    };
    let refused = read(ended.await.unwrap().unwrap()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    let other = gateway
        .send_body(
            request("PUT", "/echo").header("x-forwarded-for", "192.0.2.2"),
            pieces(vec!["0123456789"; 500]),
        )
        .await;
    assert_eq!((other.status, other.body.len()), (200, 5000));
    holders.iter().for_each(tokio::task::JoinHandle::abort);
}
