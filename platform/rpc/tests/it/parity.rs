//! Equal answers, equal errors, equal limits, in-process and over a socket.

use std::time::{Duration, Instant};

use stoa_rpc::{Directory, trace::Trace};
use tonic::{Code, Request};

use crate::{
    echo::{Text, ask, call},
    local, remote,
};

async fn both() -> [(&'static str, Directory); 2] {
    [("local", local()), ("remote", remote().await)]
}

#[tokio::test]
async fn answers_are_equal() {
    for (kind, directory) in both().await {
        assert_eq!(
            ask(directory.channel("echo"), "grüße").await.unwrap(),
            "GRÜSSE",
            "{kind}"
        );
        let long = "x".repeat(1_000_000);
        assert_eq!(
            ask(directory.channel("echo"), &long).await.unwrap().len(),
            long.len(),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn errors_are_equal() {
    for (kind, directory) in both().await {
        let status = ask(directory.channel("echo"), "missing").await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "there is no such thing: ü"),
            "{kind}"
        );
        assert_eq!(
            status.metadata().get("x-code").unwrap(),
            "user_not_found",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_request_larger_than_the_limit_is_refused_alike() {
    for (kind, directory) in both().await {
        let status = ask(directory.channel("echo"), &"x".repeat(5 << 20))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{kind}: {status:?}");
    }
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_own_call_alone() {
    for (kind, directory) in both().await {
        let status = ask(directory.channel("echo"), "panic").await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{kind}");
        assert_eq!(ask(directory.channel("echo"), "a").await.unwrap(), "A", "{kind}");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() {
    for (kind, directory) in both().await {
        let mut request = Request::new(Text {
            text: "slow".to_owned(),
        });
        request.set_timeout(Duration::from_millis(100));
        let start = Instant::now();
        let status = call(directory.channel("echo"), request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{kind}: {status:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{kind}");
    }
}

#[tokio::test]
async fn a_call_without_a_deadline_gets_five_seconds() {
    for (kind, directory) in both().await {
        assert_eq!(
            ask(directory.channel("echo"), "timeout").await.unwrap(),
            "5S",
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn five_seconds_are_counted_in_process() {
    let status = ask(local().channel("echo"), "slow").await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_trace_goes_along() {
    let trace = Trace::new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "req-1");
    for (kind, directory) in both().await {
        let seen = trace
            .clone()
            .scope(ask(directory.channel("echo"), "trace"))
            .await
            .unwrap();
        assert_eq!(
            seen, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 req-1 true",
            "{kind}"
        );
        let mut request = Request::new(Text {
            text: "trace".to_owned(),
        });
        request
            .metadata_mut()
            .insert("x-request-id", "own".parse().unwrap());
        let seen = trace
            .clone()
            .scope(call(directory.channel("echo"), request))
            .await
            .unwrap();
        assert!(
            seen.ends_with(" own true"),
            "{kind}: what the call says itself is kept: {seen}"
        );
        assert_eq!(
            ask(directory.channel("echo"), "trace").await.unwrap(),
            "none none true",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_channel_taken_early_reaches_the_service_once_it_is_set() {
    let directory = Directory::new();
    let channel = directory.channel("echo");
    let status = ask(channel.clone(), "a").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("'echo'"), "{status:?}");
    let address = crate::serve(&local()).await;
    directory
        .set_remote("echo", &format!("http://{address}"))
        .unwrap();
    assert_eq!(ask(channel, "a").await.unwrap(), "A");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let directory = Directory::new();
    directory
        .set_remote("echo", &format!("http://{address}"))
        .unwrap();
    let status = ask(directory.channel("echo"), "a").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[test]
fn what_is_no_address_is_refused() {
    let directory = Directory::new(); // and without a runtime
    for url in [
        "",
        "127.0.0.1:1",
        "https://a:1",
        "http://",
        "http://a:1/path",
        "http://a:1/?q",
        "unix:/a",
        "http://a b",
    ] {
        assert!(directory.set_remote("echo", url).is_err(), "{url}");
    }
    for url in ["http://127.0.0.1:1", "http://[::1]:1/", "http://auth:4000"] {
        assert!(directory.set_remote("echo", url).is_ok(), "{url}");
    }
}
