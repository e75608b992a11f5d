//! Replicas that take nobody but peers: both sides show a certificate.

use std::{path::Path, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use stoa_edge::{Edge, ServerOptions, serve_with};
use stoa_tls::{Acceptor, Handshakes, Mutual, MutualFiles, testing::Authority};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{split::gateway_with, story::story_with};

/// What a process of this authority has.
fn peer(authority: &Authority, folder: &Path, name: &str) -> Arc<Mutual> {
    let (certificate, key) = authority.issue(&["localhost"]).write(folder, name);
    let ca = folder.join(format!("{name}-ca.pem"));
    std::fs::write(&ca, authority.pem()).unwrap();
    Mutual::watch(MutualFiles {
        section: "rpc.tls",
        certificate,
        key,
        ca,
    })
    .unwrap()
}

/// A replica that peers reach at the returned address.
async fn replica(peers: Arc<Mutual>) -> String {
    let edge: Edge = story_with("trusted_proxies = [\"127.0.0.0/8\"]", |parts| {
        parts.router = Router::new().route("/plain", get(async || "among peers"));
        parts.behind_gateway = true;
    })
    .edge;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let options = ServerOptions {
        tls: Some(Acceptor::mutual_http(peers, Handshakes::default())),
        ..ServerOptions::default()
    };
    tokio::spawn(serve_with(
        listener,
        edge,
        CancellationToken::new(),
        Duration::from_secs(1),
        options,
    ));
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_with_a_certificate_is_served_and_others_are_not() {
    let folder = TempDir::new().unwrap();
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let url = [replica(peer(&ours, folder.path(), "users")).await];

    let gateway = gateway_with("", &url, Some(&peer(&ours, folder.path(), "gateway"))).await;
    for _ in 0..3 {
        let answer = gateway.get("/plain").await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"among peers"[..]));
    }

    let stranger = gateway_with("", &url, Some(&peer(&others, folder.path(), "stranger"))).await;
    assert_eq!(stranger.get("/plain").await.status, 503);
}

#[tokio::test]
async fn without_certificates_an_https_upstream_is_refused_by_name() {
    let config = crate::story::config("upstreams.users = [\"https://users:3000\"]\n");
    let error = stoa_gateway::Upstreams::new(&config, None).err().unwrap();
    assert!(
        error.contains("gateway.upstreams.users") && error.contains("rpc.tls.certificate"),
        "{error}"
    );
}
