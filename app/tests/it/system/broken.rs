//! Requests that are broken, sent by nobody in particular: they keep no service from anybody else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{System, email};
use crate::stoa::token;

/// What is wrong with a request: the rest of its head, and what comes of its body.
const BROKEN: [(&str, &str); 4] = [
    ("transfer-encoding: chunked", "5\r\nhello\r\nZZ\r\n"),
    ("transfer-encoding: chunked", "5\r\nhel"),
    ("content-length: 100", "{\"email\": "),
    ("content-length: 100", ""),
];
/// Of each kind, at about forty a second.
const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn broken_requests_of_some_keep_no_service_from_others() {
    let system = System::start().await;
    let person = system.register(&email("patient")).await;
    let (address, over) = (
        system.url.trim_start_matches("http://").to_owned(),
        Arc::new(AtomicBool::new(false)),
    );
    let sent = Arc::clone(&over);
    let breaking = tokio::spawn(async move {
        let mut held = Vec::new();
        for _ in 0..ROUNDS {
            for (head, body) in BROKEN {
                let text = format!(
                    "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{head}\r\n\r\n{body}"
                );
                let mut stream = TcpStream::connect(&address).await.unwrap();
                stream.write_all(text.as_bytes()).await.unwrap();
                match body {
                    // Some stay and say no more, the others hang up.
                    "" => held.push(stream),
                    _ => _ = timeout(Duration::from_millis(20), stream.read(&mut [0; 1024])).await,
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        sent.store(true, Ordering::SeqCst);
        held
    });
    let mut answered = 0;
    while !over.load(Ordering::SeqCst) || answered < 50 {
        for path in ["/api/v1/auth/me", "/api/v1/users/me"] {
            let answer = system.get(path, token(&person)).await;
            assert_eq!(
                answer.status(),
                StatusCode::OK,
                "{path}: {:?}",
                answer.text().await
            );
            answered += 1;
        }
        sleep(Duration::from_millis(10)).await;
    }
    drop(breaking.await.unwrap());
}

/// Larger than what all buffers on the way take up together.
const LARGE: usize = 8 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_that_nobody_wants_are_refused_in_words_and_keep_no_service_from_others() {
    let system = System::start().await;
    let person = system.register(&email("patient")).await;
    let http1 = reqwest::Client::new();
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let chunks = || {
        let chunk = || Ok::<_, std::io::Error>(vec![0_u8; 64 * 1024]);
        futures::stream::iter((0..LARGE / (64 * 1024)).map(move |_| chunk()))
    };
    let url = format!("{}/api/v1/users/me/avatar", system.url);
    for round in 0..20 {
        let client = if round % 2 == 0 { &http1 } else { &http2 };
        let body = match round % 4 {
            0 | 1 => reqwest::Body::from(vec![0; LARGE]),
            _ => reqwest::Body::wrap_stream(chunks()),
        };
        let answer = client
            .put(&url)
            .header("content-type", "image/png")
            .body(body)
            .send();
        let answer = answer
            .await
            .unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        let status = answer.status();
        assert!(
            matches!(status.as_u16(), 401 | 413),
            "round {round}: {status}: {:?}",
            answer.text().await
        );
        for path in ["/api/v1/auth/me", "/api/v1/users/me"] {
            let answer = system.get(path, token(&person)).await;
            assert_eq!(
                answer.status(),
                StatusCode::OK,
                "{path}: {:?}",
                answer.text().await
            );
        }
    }
}
