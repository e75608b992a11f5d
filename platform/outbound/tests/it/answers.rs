//! Servers that answer well, badly, slowly, or send elsewhere.

use std::time::Duration;

use stoa_outbound::{HeaderValue, Outbound, OutboundConfig, OutboundError, header};

use crate::server::{Server, client, get};

const HERE: [&str; 1] = ["127.0.0.0/8"];

fn url(server: &Server) -> String {
    format!("http://{}/", server.address)
}

#[tokio::test]
async fn redirects_are_answers() {
    let inner = Server::answering("127.0.0.1", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
    let location: &'static str = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        url(&inner)
    )
    .leak();
    let server = Server::answering("127.0.0.1", location.as_bytes()).await;
    let answer = client(&HERE).send(get(&url(&server))).await.unwrap();
    assert_eq!(answer.status, 302);
    assert_eq!(answer.headers[header::LOCATION], url(&inner).as_str());
    assert_eq!(inner.seen.connections(), 0);
}

#[tokio::test]
async fn no_more_of_a_body_is_read_than_was_asked_for() {
    let long: &'static str = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}",
        "x".repeat(1_000_000)
    )
    .leak();
    let server = Server::answering("127.0.0.1", long.as_bytes()).await;
    let client = client(&HERE);
    let answer = client.send(get(&url(&server))).await.unwrap();
    assert_eq!((answer.body.len(), answer.truncated), (1024, true));
    for _ in 0..100 {
        if client.connections() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a connection with an answer that nobody reads is kept");
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_short_answer_is_whole() {
    let server = Server::answering("127.0.0.1", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let client = client(&HERE);
    for _ in 0..5 {
        let answer = client.send(get(&url(&server))).await.unwrap();
        assert_eq!((&answer.body[..], answer.truncated), (&b"hi"[..], false));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.seen.connections(), server.seen.requests()), (1, 5));
    assert_eq!(client.connections(), 1);
}

#[tokio::test]
async fn silence_and_slowness_end_in_time() {
    let silent = Server::answering("127.0.0.1", b"").await;
    let halfway = Server::answering("127.0.0.1", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    for server in [silent, halfway] {
        let url = url(&server);
        let mut request = get(&url);
        request.timeout = Duration::from_millis(200);
        let error = client(&HERE).send(request).await.unwrap_err();
        assert_eq!(error, OutboundError::Timeout(Duration::from_millis(200)));
    }
}

#[tokio::test]
async fn the_head_of_an_answer_counts_though_its_body_stalls_or_breaks_off() {
    let halfway = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let stalling = Server::answering("127.0.0.1", halfway).await;
    let garbled = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nno chunk";
    let breaking = Server::answering("127.0.0.1", garbled).await;
    let body_time = Duration::from_millis(100);
    for server in [stalling, breaking] {
        let url = url(&server);
        let answer = client(&HERE).send_for_status(get(&url), body_time).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!((&answer.body[..], answer.truncated), (&b"half"[..], true));
    }
    let whole = Server::answering("127.0.0.1", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let answer = client(&HERE).send_for_status(get(&url(&whole)), body_time).await;
    let answer = answer.unwrap();
    assert_eq!((&answer.body[..], answer.truncated), (&b"hi"[..], false));
    let silent = Server::answering("127.0.0.1", b"").await;
    let url = url(&silent);
    let mut request = get(&url);
    request.timeout = Duration::from_millis(200);
    let error = client(&HERE)
        .send_for_status(request, body_time)
        .await
        .unwrap_err();
    assert_eq!(error, OutboundError::Timeout(Duration::from_millis(200)));
}

/// A client that sends one request at a time.
fn with_one_turn() -> Outbound {
    let config = OutboundConfig {
        allow: vec!["127.0.0.1".to_owned()],
        concurrency: 1,
        ..OutboundConfig::default()
    };
    Outbound::new(&config).unwrap()
}

#[tokio::test]
async fn those_who_wait_for_a_turn_do_not_wait_for_ever() {
    let silent = Server::answering("127.0.0.1", b"").await;
    let client = with_one_turn();
    let url = url(&silent);
    let request = || {
        let mut request = get(&url);
        request.timeout = Duration::from_millis(200);
        client.send(request)
    };
    let (first, second) = tokio::join!(request(), request());
    assert_eq!(
        first.unwrap_err(),
        OutboundError::Timeout(Duration::from_millis(200))
    );
    // Nothing is known of whom it was to ask, and a turn that comes is a whole one.
    let second = second.unwrap_err();
    assert!(
        matches!(second, OutboundError::Busy | OutboundError::Timeout(_)),
        "{second}"
    );
    assert!(silent.seen.connections() <= 2);
}

#[tokio::test]
async fn who_gets_no_turn_is_said_to_be_busy_and_who_gets_one_late_has_all_its_time() {
    let silent = Server::answering("127.0.0.1", b"").await;
    let quick = Server::answering("127.0.0.1", b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let client = with_one_turn();
    let (silent, quick) = (url(&silent), url(&quick));
    let within = async |url: &str, millis: u64| {
        let mut request = get(url);
        request.timeout = Duration::from_millis(millis);
        client.send(request).await
    };
    let (_, busy, late) = tokio::join!(within(&silent, 300), within(&quick, 50), within(&quick, 2000));
    assert_eq!(busy.unwrap_err(), OutboundError::Busy);
    assert_eq!(late.unwrap().status, 204);
}

#[tokio::test]
async fn one_part_of_the_program_takes_no_turns_of_another() {
    let silent = Server::answering("127.0.0.1", b"").await;
    let quick = Server::answering("127.0.0.1", b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let other = with_one_turn();
    let one = other.apart();
    let (silent, quick) = (url(&silent), url(&quick));
    let mut waits = get(&silent);
    waits.timeout = Duration::from_secs(5);
    tokio::select! {
        _ = one.send(waits) => panic!("nobody answers there"),
        answer = other.send(get(&quick)) => assert_eq!(answer.unwrap().status, 204),
    }
}

#[tokio::test]
async fn what_is_no_http_breaks_off() {
    let endless: &'static str = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)).leak();
    let fields: &'static str = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200)).leak();
    for answer in [
        b"220 mail.example.com ESMTP\r\n",
        endless.as_bytes(),
        fields.as_bytes(),
    ] {
        let server = Server::answering("127.0.0.1", answer).await;
        let error = client(&HERE).send(get(&url(&server))).await.unwrap_err();
        let begin = String::from_utf8_lossy(&answer[..30.min(answer.len())]);
        assert!(matches!(error, OutboundError::Broken(_)), "{begin}: {error}");
    }
}

#[tokio::test]
async fn nobody_there_is_said_in_words() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = client(&HERE)
        .send(get(&format!("http://{free}/")))
        .await
        .unwrap_err();
    assert_eq!(error, OutboundError::Connect("connection refused".to_owned()));
}

#[tokio::test]
async fn the_host_is_that_of_the_url() {
    let mut request = get("http://127.0.0.1/");
    request
        .headers
        .insert(header::HOST, HeaderValue::from_static("metadata.google.internal"));
    let error = client(&HERE).send(request).await.unwrap_err();
    assert!(matches!(error, OutboundError::Request(_)), "{error}");
}

#[test]
fn wrong_settings_are_named() {
    let wrong = |config: OutboundConfig| config.check().unwrap_err().to_string();
    let default = OutboundConfig::default;
    let text = wrong(OutboundConfig {
        allow: vec!["10.0.0.0/99".to_owned()],
        ..default()
    });
    assert!(
        text.contains("outbound.allow") && text.contains("10.0.0.0/99"),
        "{text}"
    );
    let text = wrong(OutboundConfig {
        deny: vec!["inner".to_owned()],
        ..default()
    });
    assert!(text.contains("outbound.deny"), "{text}");
    let text = wrong(OutboundConfig {
        ca: "/nowhere/ca.pem".into(),
        ..default()
    });
    assert!(text.contains("outbound.ca"), "{text}");
    assert!(default().check().is_ok());
}
