//! Connections: how they are kept, limited and ended.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, Bytes},
    routing::get,
};
use futures::{StreamExt, stream};
use stoa_edge::{ServerLimits, ServerOptions, serve_with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::story::{Story, story, story_with};

pub(crate) struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

async fn serve(story: Story, limits: ServerLimits, grace: Duration) -> Served {
    let options = ServerOptions {
        limits,
        ..ServerOptions::default()
    };
    serve_as(story, options, grace).await
}

async fn serve_as(story: Story, options: ServerOptions, grace: Duration) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_with(listener, story.edge, stop.clone(), grace, options));
    Served {
        address,
        stop,
        server,
    }
}

pub(crate) async fn usual(settings: &str) -> Served {
    serve(story(settings), ServerLimits::default(), Duration::from_secs(5)).await
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of its own and reads until the server closes it.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may have refused and closed before it has read all.
        let _ = stream.write_all(bytes).await;
        read(&mut stream).await
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(count @ 1..)) = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await {
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer's head, from a connection that stays open.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(
            timeout(Duration::from_secs(5), stream.read_u8())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let served = usual("").await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        stream
            .write_all(b"HEAD /plain HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn http_2_is_spoken_to_those_who_know() {
    let served = usual("").await;
    let io = hyper_util::rt::TokioIo::new(served.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://x/plain").body(Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, http::Version::HTTP_2)
    );
}

#[tokio::test]
async fn on_a_stop_requests_are_finished_and_connections_refused() {
    is_stopped_while_requests_are_under_way(0).await;
}

#[tokio::test]
async fn threads_that_drive_connections_stop_like_any() {
    is_stopped_while_requests_are_under_way(2).await;
}

async fn is_stopped_while_requests_are_under_way(threads: usize) {
    let options = ServerOptions {
        threads,
        ..ServerOptions::default()
    };
    let served = serve_as(story(""), options, Duration::from_secs(5)).await;
    let mut idle = served.connect().await;
    idle.write_all(b"HEAD /plain HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    head(&mut idle).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_millis(100)).await;

    served.stop.cancel();
    sleep(Duration::from_millis(50)).await;
    assert!(
        TcpStream::connect(served.address).await.is_err(),
        "nothing new is accepted"
    );
    assert_eq!(
        idle.read(&mut [0; 1]).await.unwrap(),
        0,
        "idle connections are closed"
    );
    let answer = read(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    timeout(Duration::from_secs(1), served.server)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn after_the_grace_period_it_stops_all_the_same() {
    let served = serve(story(""), ServerLimits::default(), Duration::from_millis(50)).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    served.stop.cancel();
    served.server.await.unwrap();
    assert!(
        began.elapsed() < Duration::from_millis(200),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(read(&mut slow).await, "");
}

#[tokio::test]
async fn who_sends_a_head_bit_by_bit_is_cut_off_and_who_works_is_not() {
    let limits = ServerLimits {
        head: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let served = serve(story(""), limits, Duration::from_secs(1)).await;
    let beginnings: [&[u8]; 4] = [
        b"",
        b"P",
        b"GET /pl",
        b"GET /plain HTTP/1.1\r\nhost: x\r\n\r\nGET /pl",
    ];
    for begun in beginnings {
        let mut stream = served.connect().await;
        stream.write_all(begun).await.unwrap();
        let began = Instant::now();
        let cut_off = async {
            while stream.write_all(b"a").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(2), cut_off)
            .await
            .unwrap_or_else(|_| panic!("still open after {begun:?}"));
        assert!(
            began.elapsed() >= Duration::from_millis(150),
            "{:?}",
            began.elapsed()
        );
    }
    // Longer than the idle time, but at work.
    let answer = served
        .raw(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn connections_at_work_keep_their_places_and_others_wait() {
    let limits = ServerLimits {
        connections: 1,
        ..ServerLimits::default()
    };
    let served = serve(story(""), limits, Duration::from_secs(1)).await;
    let mut first = served.connect().await;
    first
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_millis(50)).await;
    let mut second = served.connect().await;
    second
        .write_all(b"HEAD /plain HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let waits = timeout(Duration::from_millis(100), second.readable()).await;
    assert!(waits.is_err(), "there is no place yet");
    assert!(head(&mut first).await.starts_with("HTTP/1.1 200"));
    assert!(head(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn sockets_that_say_nothing_keep_nobody_out() {
    for (connections, connections_per_address) in [(4, 100), (100, 4)] {
        let limits = ServerLimits {
            connections,
            connections_per_address,
            ..ServerLimits::default()
        };
        let served = serve(story(""), limits, Duration::from_secs(1)).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(served.connect().await);
        }
        let mut begun = served.connect().await;
        begun.write_all(b"GET /pl").await.unwrap();
        for _ in 0..3 {
            let answer = served.raw(b"GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            assert!(answer.await.starts_with("HTTP/1.1 200"));
        }
        assert_eq!(silent[0].read(&mut [0; 1]).await.unwrap(), 0, "it gave way");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_and_one_that_keeps_its_pace_is_not() {
    let served = usual("body_grace = \"300ms\"\nbody_rate = 20").await;
    let head = b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n";
    for (piece, every, status) in [(&b"x"[..], 100, "408"), (&[b'x'; 10], 50, "200")] {
        let mut stream = served.connect().await;
        stream.write_all(head).await.unwrap();
        let begun = Instant::now();
        for _ in 0..(100 / piece.len()) {
            sleep(Duration::from_millis(every)).await;
            if stream.write_all(piece).await.is_err() || begun.elapsed() > Duration::from_secs(3) {
                break;
            }
        }
        let answer = read(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

/// Without end, as fast as it is read.
fn endless() -> Story {
    story_with("", |parts| {
        let chunk = Bytes::from(vec![b'x'; 65_536]);
        let body =
            async move || Body::from_stream(stream::repeat(chunk.clone()).map(Ok::<_, std::io::Error>));
        parts.router = std::mem::take(&mut parts.router).route("/endless", get(body));
    })
}

fn impatient() -> ServerLimits {
    ServerLimits {
        idle: Duration::from_millis(400),
        head: Duration::from_millis(400),
        ..ServerLimits::default()
    }
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_cut_off() {
    let served = serve(endless(), impatient(), Duration::from_secs(1)).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_millis(1500)).await;
    let mut buffer = vec![0; 1 << 20];
    let ends = async { while matches!(stream.read(&mut buffer).await, Ok(1..)) {} };
    timeout(Duration::from_secs(3), ends)
        .await
        .expect("the answer ends");
}

#[tokio::test]
async fn who_does_not_read_a_stream_of_http_2_is_cut_off() {
    let served = serve(endless(), impatient(), Duration::from_secs(1)).await;
    let io = hyper_util::rt::TokioIo::new(served.connect().await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let ask = |path: &str| {
        http::Request::get(format!("http://x{path}"))
            .body(Body::empty())
            .unwrap()
    };
    let unread = sender.send_request(ask("/endless")).await.unwrap();
    // Other requests on the connection do not keep it.
    let asks = async {
        while sender.send_request(ask("/plain")).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(3), asks)
        .await
        .expect("the connection ends");
    drop(unread);
    connection.abort();
}

#[tokio::test]
async fn who_reads_slowly_but_reads_is_not_cut_off() {
    let served = serve(endless(), impatient(), Duration::from_secs(1)).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = vec![0; 4 << 20];
    for _ in 0..20 {
        sleep(Duration::from_millis(100)).await;
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_body_that_is_refused_before_it_is_sent_ends_the_connection() {
    let served = usual("max_body = 10").await;
    let post = |length: usize| {
        format!("POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n")
    };
    let mut stream = served.connect().await;
    stream.write_all(post(100).as_bytes()).await.unwrap();
    let refusal = head(&mut stream).await;
    assert!(refusal.starts_with("HTTP/1.1 413"), "{refusal}");
    assert!(refusal.contains("\r\nconnection: close\r\n"), "{refusal}");
    let rest = read(&mut stream).await;
    assert!(rest.ends_with('}'), "and nothing follows: {rest}");
    // One that is asked for and sent leaves the connection as it was.
    let mut stream = served.connect().await;
    for _ in 0..2 {
        stream.write_all(post(5).as_bytes()).await.unwrap();
        let asked = head(&mut stream).await;
        assert!(asked.starts_with("HTTP/1.1 100"), "{asked}");
        stream.write_all(b"hello").await.unwrap();
        let answer = head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
        let mut echo = [0; 5];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(&echo, b"hello");
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let served = usual("").await;
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], "400"),
        (b"GET\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\x00: y\r\n\r\n", "400"),
        (b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", "400"),
        (b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "400"),
        (b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "400"),
        (b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n", "413"),
    ] {
        let answer = served.raw(bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{:?}: {answer}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn other_forms_of_address_are_never_a_fault_of_ours() {
    let served = usual("").await;
    for line in [
        "CONNECT x:80",
        "OPTIONS *",
        "GET http://other/plain",
        "GET http://x",
        "GET /plain#fragment",
    ] {
        let answer = served
            .raw(format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .await;
        let status: u16 = answer
            .get(9..12)
            .unwrap_or_default()
            .parse()
            .unwrap_or_else(|_| panic!("{line}: {answer}"));
        assert!((200..500).contains(&status), "{line}: {answer}");
    }
    assert!(
        served
            .raw(b"GET /plain HTTP/1.0\r\n\r\n")
            .await
            .ends_with("\r\n\r\nplain"),
        "also without a host"
    );
}

#[tokio::test]
async fn a_head_of_any_size_is_refused_without_harm() {
    let served = usual("").await;
    for size in [20_000, 1_000_000] {
        let head = format!(
            "GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-much: {}\r\n\r\n",
            "x".repeat(size)
        );
        let answer = served.raw(head.as_bytes()).await;
        // Who still sends when it is refused may find the connection gone.
        let gone = answer.is_empty() && size > 20_000;
        let problem = answer.starts_with("HTTP/1.1 431 ") && answer.contains("header_too_large");
        assert!(problem || gone, "{size}: {answer}");
    }
    assert!(
        served
            .raw(b"GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    );
}
