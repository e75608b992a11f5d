//! Certificates.

use std::{net::SocketAddr, sync::Arc};

use stoa_outbound::{Outbound, OutboundError};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::server::{Seen, allowing, get, resolving, serve};

/// A server with a certificate for `hooks.example.com`; its certificate, which is its own authority.
async fn server() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(["hooks.example.com".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, Seen::default(), b"HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            });
        }
    });
    (address, made.cert.pem())
}

#[tokio::test]
async fn certificates_are_checked_and_the_settings_name_further_authorities() {
    let (address, pem) = server().await;
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let mut config = allowing(&["127.0.0.1"]);
    let here = || resolving(&[&["127.0.0.1"]]);
    let url = |host: &str| format!("https://{host}:{}/", address.port());

    let strict = Outbound::with_lookup(&config, here()).unwrap();
    let error = strict.send(get(&url("hooks.example.com"))).await.unwrap_err();
    assert!(matches!(error, OutboundError::Tls(_)), "{error}");

    config.ca = ca;
    let knowing = Outbound::with_lookup(&config, here()).unwrap();
    assert_eq!(
        knowing.send(get(&url("hooks.example.com"))).await.unwrap().status,
        204
    );
    let error = knowing.send(get(&url("other.example.com"))).await.unwrap_err();
    assert!(matches!(error, OutboundError::Tls(_)), "{error}");
}
