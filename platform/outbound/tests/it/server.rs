//! A server that does as it is asked.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use stoa_outbound::{HeaderMap, Lookup, Method, Outbound, OutboundConfig, Request};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Seen {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Seen,
}

impl Server {
    /// Writes `answer` for each request.
    pub(crate) async fn answering(address: &str, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
        let counted = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, counted.clone(), answer));
            }
        });
        Self { address, seen }
    }
}

/// One request after the other; none of them has a body that is longer than what is read at once.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: Seen,
    answer: &'static [u8],
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        seen.requests.fetch_add(1, Ordering::SeqCst);
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

pub(crate) fn get(url: &str) -> Request<'_> {
    Request {
        method: Method::GET,
        url,
        headers: HeaderMap::new(),
        body: bytes::Bytes::new(),
        timeout: Duration::from_secs(5),
        max_body: 1024,
    }
}

pub(crate) fn allowing(networks: &[&str]) -> OutboundConfig {
    OutboundConfig {
        allow: networks.iter().map(|network| (*network).to_owned()).collect(),
        ..OutboundConfig::default()
    }
}

pub(crate) fn client(networks: &[&str]) -> Outbound {
    Outbound::new(&allowing(networks)).unwrap()
}

/// Answers with the next of these each time, and then with the last one.
pub(crate) fn resolving(answers: &[&[&str]]) -> Lookup {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect())
        .collect();
    let asked = AtomicUsize::new(0);
    Arc::new(move |_| {
        let at = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[at].clone();
        async move { Ok(answer) }.boxed()
    })
}
