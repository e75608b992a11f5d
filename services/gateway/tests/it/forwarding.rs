//! What is passed on to a service of another process, and back, is what was sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    routing::{any, get},
};
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    split::{bare, client, gateway, gateway_on, gateway_to, head, pieces, read, replica},
    story::request,
};

/// Tells what came: method, target byte for byte, headers, body.
async fn mirror(request: Request) -> axum::Json<Value> {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().map(pairs);
    let body = String::from_utf8_lossy(&collected.to_bytes()).into_owned();
    axum::Json(json!({
        "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": pairs(&parts.headers),
        "body": body, "trailers": trailers,
    }))
}

fn pairs(headers: &HeaderMap) -> Value {
    headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), value.to_str().unwrap()]))
        .collect()
}

fn header<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let all = seen["headers"].as_array().unwrap().iter();
    all.filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str().unwrap())
        .collect()
}

fn mirrors() -> Router {
    Router::new().route("/anything/{*rest}", any(mirror))
}

#[tokio::test]
async fn methods_targets_headers_and_bodies_arrive_as_they_were_sent() {
    let shop = replica(mirrors()).await;
    let gateway = gateway("", &[&shop]).await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let target = "/anything/a%2Fb%20c//../d;x=1/%E2%82%AC?q=%20+&&=&a=b?c/%zz";
        let body = if method == "GET" { "" } else { "some bytes" };
        let asked = request(method, target)
            .header("host", "shop.example")
            .header("x-two", "1")
            .header("x-two", "2");
        let seen = gateway.send_body(asked, body).await.json();
        assert_eq!(
            (seen["method"].as_str(), seen["target"].as_str()),
            (Some(method), Some(target))
        );
        assert_eq!(seen["body"], body);
        assert_eq!(header(&seen, "x-two"), ["1", "2"]);
        assert_eq!(header(&seen, "host"), ["shop.example"]);
    }
}

#[tokio::test]
async fn whoever_asks_is_told_to_the_service_and_what_the_caller_claims_is_not() {
    let shop = replica(mirrors()).await;
    let gateway = gateway("", &[&shop]).await;
    let asked = request("GET", "/anything/x")
        .header("host", "shop.example")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-proto", "https")
        .header("forwarded", "for=6.6.6.6")
        .header("x-request-timeout-ms", "1")
        .header("x-request-id", "mine")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );
    let answer = gateway.send(asked).await;
    let seen = answer.json();
    assert_eq!(header(&seen, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(header(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(header(&seen, "x-forwarded-host"), ["shop.example"]);
    assert_eq!(header(&seen, "x-request-id"), ["mine"]);
    assert_eq!(answer.header("x-request-id"), "mine");
    assert!(header(&seen, "forwarded").is_empty());
    assert!(header(&seen, "traceparent")[0].contains("4bf92f3577b34da6a3ce929d0e0e4736"));
    let left: u64 = header(&seen, "x-request-timeout-ms")[0].parse().unwrap();
    assert!((20_000..=30_000).contains(&left), "{left}");
}

#[tokio::test]
async fn the_service_knows_the_caller_by_the_gateways_word() {
    let shop = replica(Router::new()).await;
    let gateway = gateway("trusted_proxies = [\"127.0.0.0/8\"]", &[&shop]).await;
    let asked = request("GET", "/facts")
        .header("x-forwarded-for", "203.0.113.7")
        .header("x-forwarded-proto", "https");
    let facts = gateway.send(asked.header("x-request-id", "mine")).await.json();
    assert_eq!(
        (facts["address"].as_str(), facts["secure"].as_bool()),
        (Some("203.0.113.7"), Some(true))
    );
    assert_eq!(facts["request_id"], "mine");
}

#[tokio::test]
async fn what_is_about_one_connection_is_not_passed_on() {
    let shop = replica(mirrors()).await;
    let gateway = gateway("", &[&shop]).await;
    let asked = request("POST", "/anything/x")
        .header("connection", "keep-alive, x-private, content-length, host")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("proxy-authorization", "Basic x")
        .header("te", "trailers, deflate")
        .header("upgrade", "h2c")
        .header("expect", "100-continue")
        .header("host", "shop.example");
    let seen = gateway.send_body(asked, "four").await.json();
    for name in [
        "connection",
        "x-private",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
        "expect",
    ] {
        assert!(header(&seen, name).is_empty(), "{name}: {seen}");
    }
    assert_eq!(
        (header(&seen, "te"), header(&seen, "content-length")),
        (vec!["trailers"], vec!["4"])
    );
    assert_eq!(header(&seen, "host"), ["shop.example"]);
}

#[tokio::test]
async fn nothing_is_done_or_said_twice() {
    let shop = replica(Router::new()).await;
    let gateway = gateway("cors.origins = [\"https://app.example\"]", &[&shop]).await;
    let asked = request("GET", "/long")
        .header("origin", "https://app.example")
        .header("accept-encoding", "gzip");
    let answer = gateway.send(asked).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    for name in answer.headers.keys().filter(|name| *name != "vary") {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert_eq!(
        answer.headers.get_all("vary").iter().count(),
        2,
        "origin and accept-encoding, once each"
    );
    assert_eq!(
        gateway.get("/page").await.header("content-security-policy"),
        "default-src 'self'"
    );
    let bare = shop.get("/long").await;
    assert_eq!(
        (
            bare.header("content-security-policy"),
            bare.header("ratelimit-limit")
        ),
        ("", "")
    );
}

#[tokio::test]
async fn problems_and_other_answers_come_as_the_service_wrote_them() {
    let shop = replica(Router::new()).await;
    let gateway = gateway("", &[&shop]).await;
    let own = gateway.get("/own").await;
    assert_eq!((own.status, own.json()["error"].as_str()), (400, Some("own")));
    assert_eq!(gateway.get("/me").await.code(), "unauthenticated");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_by_the_gateway() {
    let nobody = gateway_to("", &["http://127.0.0.1:9".to_owned()]).await;
    assert_eq!(nobody.get("/nowhere").await.status, 404);
    let answer = nobody.send(request("DELETE", "/things/7")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET,PUT,HEAD"));
    assert_eq!(answer.code(), "method_not_allowed");
    assert_eq!(nobody.get("/things/7").await.code(), "upstream_unavailable");
}

#[tokio::test]
async fn an_answer_streams_as_it_is_made_and_ends_when_the_caller_leaves() {
    struct Telling(tokio::sync::mpsc::UnboundedSender<()>);
    impl Drop for Telling {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (left, mut gone) = tokio::sync::mpsc::unbounded_channel();
    let events = move || {
        let left = Telling(left.clone());
        async move {
            let events = futures::stream::unfold((0, left), async |(number, left)| {
                if number == 2 {
                    std::future::pending::<()>().await;
                }
                Some((
                    Ok::<_, std::io::Error>(format!("data: {number}\n\n")),
                    (number + 1, left),
                ))
            });
            ([("content-type", "text/event-stream")], Body::from_stream(events))
        }
    };
    let shop = replica(Router::new().route("/anything/events", get(events))).await;
    let gateway = gateway("", &[&shop]).await;
    let mut stream = gateway
        .open(request("GET", "/anything/events"), Body::empty())
        .await
        .into_body()
        .into_data_stream();
    for number in 0..2 {
        let event = timeout(Duration::from_secs(5), stream.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(event, format!("data: {number}\n\n"));
    }
    drop(stream);
    timeout(Duration::from_secs(5), gone.recv())
        .await
        .expect("the service heard of it");
}

#[tokio::test]
async fn bodies_of_unknown_length_pass_and_are_limited() {
    let shop = replica(mirrors()).await;
    let gateway = gateway("max_body = 20", &[&shop]).await;
    let seen = gateway
        .send_body(
            request("POST", "/anything/x"),
            pieces(vec!["one ", "two ", "three"]),
        )
        .await
        .json();
    assert_eq!(
        (seen["body"].as_str(), header(&seen, "transfer-encoding")),
        (Some("one two three"), vec!["chunked"])
    );
    let refused = gateway
        .send_body(request("POST", "/anything/x"), pieces(vec!["0123456789"; 3]))
        .await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "too_large"));
    assert_eq!(
        gateway.get("/plain").await.status,
        200,
        "the service is not blamed for it"
    );
}

#[tokio::test]
async fn large_bodies_pass_whole_both_ways() {
    let shop = replica(Router::new()).await;
    let gateway = gateway("max_json = 1000000", &[&shop]).await;
    let large: String = (0..200_000)
        .map(|number| char::from(b'a' + (number % 26) as u8))
        .collect();
    for method in ["POST", "PUT"] {
        let answer = gateway.send_body(request(method, "/echo"), large.clone()).await;
        assert!(
            answer.status == 200 && answer.body == large.as_bytes(),
            "{method}"
        );
    }
}

#[tokio::test]
async fn trailers_pass() {
    let trailing = get(async || {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "abc".parse().unwrap());
        let frames = [Frame::data(Bytes::from("body")), Frame::trailers(trailers)];
        let frames = futures::stream::iter(frames.map(Ok::<_, std::io::Error>));
        ([("trailer", "x-checksum")], Body::new(StreamBody::new(frames)))
    });
    let shop = replica(mirrors().route("/anything/trailing", trailing)).await;
    let gateway = gateway("", &[&shop]).await;
    let asked = request("GET", "/anything/trailing").header("te", "trailers");
    let answer = gateway
        .open(asked, Body::empty())
        .await
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(answer.trailers().unwrap()["x-checksum"], "abc");
    let bytes =
        b"POST /anything/x HTTP/1.1\r\nhost: x\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                  4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n";
    let seen = gateway.raw(bytes).await;
    assert!(seen.contains(r#""trailers":[["x-sum","7"]]"#), "{seen}");
}

#[tokio::test]
async fn the_caller_is_told_to_go_on_once_its_body_is_wanted() {
    let shop = replica(mirrors()).await;
    let gateway = gateway("", &[&shop]).await;
    let mut stream = gateway.connect().await;
    stream
        .write_all(
            b"POST /anything/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n",
        )
        .await
        .unwrap();
    assert_eq!(head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn early_hints_are_left_out_and_the_answer_follows() {
    let address = bare(async |mut stream| {
        while head(&mut stream).await.starts_with("GET") {
            let answer = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                break;
            }
        }
    })
    .await;
    let gateway = gateway_to("", &[format!("http://{address}")]).await;
    let answer = gateway.get("/plain").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    assert_eq!(connections_for_twenty_requests(0).await, 1);
    assert_eq!(connections_for_twenty_requests(2).await, 2, "one on each thread");
}

async fn connections_for_twenty_requests(threads: usize) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let address = bare(move |mut stream| {
        let count = counting.clone();
        async move {
            let first = head(&mut stream).await;
            if first.starts_with("GET /health") {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
                return;
            }
            count.fetch_add(1, Ordering::SeqCst);
            loop {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                if stream.write_all(answer).await.is_err() || head(&mut stream).await.is_empty() {
                    break;
                }
            }
        }
    })
    .await;
    let gateway = gateway_on(threads, "", &[format!("http://{address}")], None).await;
    let mut clients = [client(gateway.address).await, client(gateway.address).await];
    for _ in 0..10 {
        for client in &mut clients {
            let request = http::Request::get("/plain")
                .header("host", "x")
                .body(Body::empty())
                .unwrap();
            assert_eq!(
                read(client.send_request(request).await.unwrap()).await.status,
                200
            );
        }
    }
    count.load(Ordering::SeqCst)
}
