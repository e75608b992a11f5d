//! Servers that refuse a request in the words of HTTP/2.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::stream;
use h2::Reason;
use tokio::net::TcpListener;
use tonic::Code;

use crate::{
    echo::{Text, ask, chat},
    plain,
    replica::directory,
};

/// Resets the first `refuse` requests for `reason`, and answers the others that there is no such thing.
async fn refusing(refuse: usize, reason: Reason) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    if count.fetch_add(1, Ordering::SeqCst) < refuse {
                        respond.send_reset(reason);
                        continue;
                    }
                    let answer = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", "5")
                        .body(())
                        .unwrap();
                    respond.send_response(answer, true).unwrap();
                }
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn what_was_refused_untouched_is_sent_again_twice_at_most() {
    for (refuse, code, sent) in [(2, Code::NotFound, 3), (3, Code::Unavailable, 3)] {
        let (address, count) = refusing(refuse, Reason::REFUSED_STREAM).await;
        let directory = directory(&[format!("http://{address}")], &plain());
        let status = ask(directory.channel("echo"), "a").await.unwrap_err();
        assert_eq!(
            (status.code(), count.load(Ordering::SeqCst)),
            (code, sent),
            "{status:?}"
        );
    }
}

#[tokio::test]
async fn what_a_handler_may_have_seen_is_not_sent_again() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM] {
        let (address, count) = refusing(1, reason).await;
        let directory = directory(&[format!("http://{address}")], &plain());
        ask(directory.channel("echo"), "a").await.unwrap_err();
        assert_eq!(count.load(Ordering::SeqCst), 1, "{reason:?}");
    }
}

#[tokio::test]
async fn a_stream_cannot_be_sent_again() {
    let (address, count) = refusing(1, Reason::REFUSED_STREAM).await;
    let directory = directory(&[format!("http://{address}")], &plain());
    let endless = stream::unfold(0_u8, |count| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Some((Text { text: "a".to_owned() }, count))
    });
    let status = chat(directory.channel("echo"), endless).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
