//! Equal answers, equal errors, equal limits, in-process and over a socket.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use stoa_rpc::{Directory, deadline, trace::Trace};
use tonic::{Code, Request};

use crate::{
    echo::{Text, ask, call, chat},
    local, plain, remote,
    replica::{Pki, Replica, directory, port},
};

/// In this process, over a socket, and over TLS to two replicas.
async fn both() -> [(&'static str, Directory); 3] {
    [
        ("local", local()),
        ("remote", remote().await),
        ("replicas", replicas().await),
    ]
}

async fn replicas() -> Directory {
    let pki = Pki::new();
    let options = pki.options("test");
    let urls = ["a", "b"].map(|name| {
        let replica = Replica::start(name, pki.options(name), port());
        let url = replica.url("https");
        replica.forget();
        url
    });
    let directory = directory(&urls, &options);
    // Both are connected to before the test begins.
    for _ in 0..4 {
        ask(directory.channel("echo"), "a").await.unwrap();
    }
    directory
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
        .set_remote("echo", &[format!("http://{address}")], &plain())
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
        .set_remote("echo", &[format!("http://{address}")], &plain())
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
        assert!(directory.set_remote("echo", &[url], &plain()).is_err(), "{url}");
    }
    for url in ["http://127.0.0.1:1", "http://[::1]:1/", "http://auth:4000"] {
        assert!(directory.set_remote("echo", &[url], &plain()).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn every_code_its_details_and_metadata_are_equal() {
    for (kind, directory) in both().await {
        for code in 1..=16 {
            let status = ask(directory.channel("echo"), &format!("code {code}"))
                .await
                .unwrap_err();
            assert_eq!(status.code(), Code::from_i32(code), "{kind}");
            assert_eq!(status.message(), format!("this is code {code} %"), "{kind}");
            assert_eq!(status.details(), b"\x00\xffdetails", "{kind}");
            assert_eq!(status.metadata().get("x-code").unwrap(), "stable_code", "{kind}");
            let more = status
                .metadata()
                .get_bin("x-more-bin")
                .unwrap()
                .to_bytes()
                .unwrap();
            assert_eq!(&more[..], b"\x00\xff", "{kind}");
        }
    }
}

#[tokio::test]
async fn conversations_are_equal() {
    let text = |text: &str| Text {
        text: text.to_owned(),
    };
    for (kind, directory) in both().await {
        let quick = stream::iter(["a", "b", "c"]).map(text);
        let answers = chat(directory.channel("echo"), quick).await.unwrap();
        assert_eq!(answers, ["A", "B", "C"].map(|text| Ok(text.to_owned())), "{kind}");
        let slow = stream::iter(["a", "fail", "c"]).map(text).then(|text| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            text
        });
        let answers = chat(directory.channel("echo"), slow).await.unwrap();
        assert_eq!(answers, [Ok("A".to_owned()), Err(Code::Aborted)], "{kind}");
    }
}

#[tokio::test]
async fn a_call_within_anothers_time_ends_with_it() {
    for (kind, directory) in both().await {
        let left = deadline::within(Duration::from_secs(2), ask(directory.channel("echo"), "left"));
        let left: u64 = left.await.unwrap().parse().unwrap();
        assert!((1..=2000).contains(&left), "{kind}: {left}");
        let start = Instant::now();
        let slow = deadline::within(Duration::from_millis(100), ask(directory.channel("echo"), "slow"));
        assert_eq!(slow.await.unwrap_err().code(), Code::DeadlineExceeded, "{kind}");
        assert!(start.elapsed() < Duration::from_secs(4), "{kind}");
        let late = deadline::within(Duration::ZERO, ask(directory.channel("echo"), "a"));
        assert_eq!(late.await.unwrap_err().code(), Code::DeadlineExceeded, "{kind}");
    }
}

#[tokio::test]
async fn a_name_is_looked_up() {
    let address = crate::serve(&local()).await;
    let directory = Directory::new();
    let url = format!("http://localhost:{}", address.port());
    directory.set_remote("echo", &[url], &plain()).unwrap();
    assert_eq!(ask(directory.channel("echo"), "a").await.unwrap(), "A");
    let url = "http://nowhere.invalid:1";
    directory.set_remote("echo", &[url], &plain()).unwrap();
    let status = ask(directory.channel("echo"), "a").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("nowhere.invalid"), "{status:?}");
}
