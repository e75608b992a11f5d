//! Services that do not answer: retries, their budget, the breaker, and time that runs out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::post};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    split::{Process, bare, client, gateway, gateway_to, head, read, replica},
    story::request,
};

/// A service that is ready, takes each request, and hangs up. Counts what it took.
async fn hanging_up() -> (String, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let address = bare(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            if !healthy(&mut stream).await {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    (format!("http://{address}"), taken)
}

/// Answers if it is a health check.
async fn healthy(stream: &mut TcpStream) -> bool {
    let checked = head(stream).await.starts_with("GET /health");
    if checked {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    }
    checked
}

#[tokio::test]
async fn what_may_be_repeated_is_tried_elsewhere_and_a_post_is_not() {
    let (broken, taken) = hanging_up().await;
    let good = replica(Router::new()).await;
    let settings = "upstream.eject_after = 1000000\nupstream.breaker_volume = 1000000";
    let alone = gateway_to(settings, std::slice::from_ref(&broken)).await;
    for (method, path, attempts) in [("GET", "/plain", 3), ("PUT", "/echo", 3), ("POST", "/echo", 1)] {
        let before = taken.load(Ordering::SeqCst);
        let asked = request(method, path).header("idempotency-key", "once");
        let answer = alone
            .send_body(asked, if method == "GET" { "" } else { "body" })
            .await;
        assert_eq!(answer.code(), "bad_gateway");
        assert_eq!(taken.load(Ordering::SeqCst) - before, attempts, "{method}");
    }
    let gateway = gateway_to(settings, &[broken, good.url()]).await;
    for _ in 0..40 {
        assert_eq!(gateway.get("/plain").await.status, 200);
    }
}

#[tokio::test]
async fn a_post_that_nobody_can_have_taken_is_tried_elsewhere() {
    let good = replica(Router::new()).await;
    let gateway = gateway_to(
        "upstream.eject_after = 1000000",
        &["http://127.0.0.1:9".to_owned(), good.url()],
    )
    .await;
    for _ in 0..30 {
        assert_eq!(
            gateway.send_body(request("POST", "/echo"), "once").await.body,
            "once"
        );
    }
}

#[tokio::test]
async fn retries_have_a_budget() {
    let (broken, taken) = hanging_up().await;
    let settings = "upstream.breaker_volume = 1000000\nupstream.retry_budget = 0.1\nupstream.retries = 1";
    let gateway = gateway_to(settings, &[broken]).await;
    // What was saved up is spent at first, then a share is left.
    let asks = (0..400).map(|_| gateway.get("/plain"));
    for answer in futures::future::join_all(asks).await {
        assert_eq!(answer.code(), "bad_gateway");
    }
    let taken = taken.load(Ordering::SeqCst);
    assert!((440..=620).contains(&taken), "{taken} attempts for 400 requests");
}

#[tokio::test]
async fn a_service_that_fails_is_left_alone_and_found_again() {
    let (broken, taken) = hanging_up().await;
    let settings = "upstream.breaker_volume = 10\nupstream.retries = 0\nupstream.breaker_for = \"300ms\"";
    let gateway = gateway_to(settings, &[broken]).await;
    for _ in 0..10 {
        assert_eq!(gateway.get("/plain").await.code(), "bad_gateway");
    }
    let answer = gateway.get("/plain").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.code(), "upstream_unavailable");
    assert_eq!(taken.load(Ordering::SeqCst), 10, "it was not asked");
    // Its checks are answered: so it is asked again.
    let begun = Instant::now();
    while gateway.get("/plain").await.code() != "bad_gateway" {
        assert!(begun.elapsed() < Duration::from_secs(5));
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn once_a_service_is_well_again_it_is_asked_at_once() {
    let good = replica(Router::new()).await;
    let address = good.address;
    let gateway = gateway(
        "upstream.breaker_volume = 10\nupstream.breaker_for = \"1h\"",
        &[&good],
    )
    .await;
    good.kill().await;
    let begun = Instant::now();
    let mut refused = 0;
    while refused < 50 {
        refused += usize::from(gateway.get("/plain").await.status == 503);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    sleep(Duration::from_millis(400)).await;
    let _good = crate::split::replica_at(address, Router::new()).await;
    let begun = Instant::now();
    while gateway.get("/plain").await.status != 200 {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the checks say that it is ready"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_given_up() {
    let address = bare(async |mut stream| {
        if !healthy(&mut stream).await {
            sleep(Duration::from_secs(60)).await;
        }
    })
    .await;
    let gateway = gateway_to("timeout = \"300ms\"", &[format!("http://{address}")]).await;
    let begun = Instant::now();
    assert_eq!(gateway.get("/plain").await.code(), "upstream_timeout");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_service_gives_up_when_its_gateway_does() {
    let slow = Router::new().route(
        "/anything/slow",
        post(async || sleep(Duration::from_secs(60)).await),
    );
    let shop = replica(slow).await;
    let asked = |millis: &str| request("POST", "/anything/slow").header("x-request-timeout-ms", millis);
    let begun = Instant::now();
    assert_eq!(shop.send(asked("200")).await.status, 504);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let gateway = gateway("timeout = \"300ms\"", &[&shop]).await;
    assert_eq!(
        gateway.send(asked("60000")).await.status,
        504,
        "the caller's word does not count"
    );
}

/// Asks on four connections until `over`, and tells what was not answered with 200.
async fn load(
    gateway: &Process,
    methods: &'static [&'static str],
    over: impl Future<Output = ()>,
) -> (usize, Vec<String>) {
    let stop = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, address) = (Arc::clone(&stop), gateway.address);
            tokio::spawn(async move {
                let (mut client, mut done, mut bad) = (client(address).await, 0, Vec::new());
                while stop.load(Ordering::SeqCst) == 0 {
                    let method = methods[done % methods.len()];
                    let path = if method == "GET" { "/plain" } else { "/echo" };
                    let request = request(method, path)
                        .header("host", "x")
                        .body(axum::body::Body::from("body"))
                        .unwrap();
                    let answer = read(client.send_request(request).await.unwrap()).await;
                    if answer.status != 200 {
                        bad.push(format!("{method}: {:?}", answer.body));
                    }
                    done += 1;
                    client.ready().await.unwrap();
                }
                (done, bad)
            })
        })
        .collect();
    over.await;
    stop.store(1, Ordering::SeqCst);
    let (mut all, mut bad) = (0, Vec::new());
    for client in clients {
        let (done, failed) = client.await.unwrap();
        all += done;
        bad.extend(failed);
    }
    (all, bad)
}

#[tokio::test]
async fn nothing_that_may_be_repeated_fails_when_a_replica_is_killed() {
    let (a, b) = (replica(Router::new()).await, replica(Router::new()).await);
    let gateway = gateway("", &[&a, &b]).await;
    let (all, bad) = load(&gateway, &["GET", "PUT"], async {
        sleep(Duration::from_millis(500)).await;
        a.kill().await;
        sleep(Duration::from_millis(1000)).await;
    })
    .await;
    assert!(all > 50 && bad.is_empty(), "{all}: {bad:?}");
}

#[tokio::test]
async fn nothing_at_all_fails_when_replicas_are_restarted_one_by_one() {
    let (a, b) = (replica(Router::new()).await, replica(Router::new()).await);
    let gateway = gateway("", &[&a, &b]).await;
    let (all, bad) = load(&gateway, &["GET", "POST", "PUT", "POST"], async {
        for old in [a, b] {
            sleep(Duration::from_millis(300)).await;
            let address = old.address;
            old.stop_gently().await;
            let new = crate::split::replica_at(address, Router::new()).await;
            sleep(Duration::from_millis(700)).await;
            std::mem::forget(new);
        }
    })
    .await;
    assert!(all > 50 && bad.is_empty(), "{all}: {bad:?}");
}
