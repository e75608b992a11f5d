//! Requests that two readers could understand in two ways. What comes out at the service is one request or none.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};

use crate::split::{Process, bare, gateway_to, head};

type Seen = Arc<Mutex<Vec<String>>>;

/// A gateway before a service that notes each byte that comes, and answers each head.
async fn noting() -> (Process, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let address = bare(move |stream| note(stream, Arc::clone(&notes))).await;
    (gateway_to("", &[format!("http://{address}")]).await, seen)
}

async fn note(mut stream: TcpStream, notes: Seen) {
    let mut text = head(&mut stream).await;
    let answer: &[u8] = if text.starts_with("GET /health") {
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    } else {
        let mut buffer = [0; 4096];
        while let Ok(Ok(count @ 1..)) = timeout(Duration::from_millis(100), stream.read(&mut buffer)).await {
            text += &String::from_utf8_lossy(&buffer[..count]);
        }
        notes.lock().unwrap().push(text);
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    };
    let _ = stream.write_all(answer).await;
}

fn lengths(text: &str) -> (usize, usize) {
    let lower = text.to_lowercase();
    (
        lower.matches("\r\ncontent-length:").count(),
        lower.matches("\r\ntransfer-encoding:").count(),
    )
}

#[tokio::test]
async fn a_body_has_one_length_whatever_the_caller_says() {
    for lines in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\ncontent-length: 6",
        "transfer-encoding: gzip, chunked",
        "connection: transfer-encoding\r\ntransfer-encoding: chunked",
    ] {
        let (gateway, seen) = noting().await;
        let smuggled = "GET /things/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
        let bytes = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = gateway.raw(bytes.as_bytes()).await;
        for text in seen.lock().unwrap().iter() {
            let (content_lengths, encodings) = lengths(text);
            assert!(content_lengths + encodings <= 1, "{lines}: {text}");
            assert_eq!(text.matches("HTTP/1.1\r\n").count(), 1, "{lines}: {text}");
        }
        assert!(answer.starts_with("HTTP/1.1 "), "{lines}: {answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_reaches_nobody() {
    let heads = [
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: +3\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3,3\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /plain HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        "GET /plain HTTP/1.1\r\nhost: x\r\nx-a: b\rc: d\r\n\r\n",
        "GET /pl\tain HTTP/1.1\r\nhost: x\r\n\r\n",
    ];
    for bytes in heads {
        let (gateway, seen) = noting().await;
        let answer = gateway.raw(bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer}");
        assert!(seen.lock().unwrap().is_empty(), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_that_breaks_off_is_no_whole_one_for_the_service() {
    let (gateway, seen) = noting().await;
    let bytes = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n";
    gateway.raw(bytes.as_bytes()).await;
    for text in seen.lock().unwrap().iter() {
        assert!(!text.contains("\r\n0\r\n"), "{text}");
    }
}

#[tokio::test]
async fn an_upgrade_to_another_protocol_is_not_passed_on() {
    let (gateway, seen) = noting().await;
    let bytes = "GET /plain HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
                 http2-settings: AAMAAABk\r\n\r\n";
    let answer = gateway.raw(bytes.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = seen.lock().unwrap()[0].to_lowercase();
    assert!(
        !seen.contains("upgrade") && !seen.contains("http2-settings"),
        "{seen}"
    );
}

#[tokio::test]
async fn the_host_of_an_absolute_target_counts() {
    let (gateway, seen) = noting().await;
    gateway
        .raw(b"GET http://real.example/plain?q=1 HTTP/1.1\r\nhost: other.example\r\n\r\n")
        .await;
    let seen = seen.lock().unwrap()[0].clone();
    assert!(seen.starts_with("GET /plain?q=1 HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("host: real.example\r\n") && !seen.contains("other.example"),
        "{seen}"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_whole_one_for_the_caller() {
    let address = bare(async |mut stream| {
        head(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
            .await;
    })
    .await;
    let gateway = gateway_to("", &[format!("http://{address}")]).await;
    let mut stream = gateway.connect().await;
    stream
        .write_all(b"GET /plain HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    // The connection ends before the length that was promised: so the caller knows.
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes))
        .await
        .expect("the connection ends");
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.is_empty() || text.contains("content-length: 100\r\n"),
        "{text}"
    );
}
