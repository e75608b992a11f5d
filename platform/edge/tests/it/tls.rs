//! The listener with TLS, seen by real clients.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, pki_types::ServerName};
use stoa_edge::{ServerOptions, serve_with};
use stoa_tls::{Acceptor, Certificates, Handshakes, Source, Version, testing::Authority};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::story::story;

const BOTH: [&str; 2] = ["h2", "http/1.1"];

struct Served {
    authority: Authority,
    folder: tempfile::TempDir,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// A listener whose default certificate is for localhost, with `names` beside it in a folder.
async fn serve_with_names(names: &[&str], least: Version, handshakes: Handshakes) -> Served {
    let (authority, folder) = (Authority::new("test"), tempfile::tempdir().unwrap());
    let pair = authority.issue(&["localhost"]).write(folder.path(), "default");
    let more = folder.path().join("more");
    std::fs::create_dir(&more).unwrap();
    for (number, name) in names.iter().enumerate() {
        authority.issue(&[name]).write(&more, &number.to_string());
    }
    let source = Source {
        section: "server.tls",
        pair: Some(pair),
        folder: Some(more),
    };
    let certificates = Certificates::watch(source).unwrap();
    let options = ServerOptions {
        tls: Some(Acceptor::new(
            certificates.server_config(least).unwrap(),
            handshakes,
        )),
        ..ServerOptions::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let grace = Duration::from_secs(5);
    let server = tokio::spawn(serve_with(
        listener,
        story("rate_limit.per_address = \"off\"").edge,
        stop.clone(),
        grace,
        options,
    ));
    Served {
        authority,
        folder,
        address,
        stop,
        server,
    }
}

async fn serve() -> Served {
    serve_with_names(&[], Version::Tls12, Handshakes::default()).await
}

impl Served {
    fn client(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        self.authority.client(Version::Tls12, Version::Tls13, alpn)
    }

    async fn shake(&self, config: Arc<ClientConfig>, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(config).connect(name, stream).await
    }

    fn ca(&self) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        std::fs::write(&path, self.authority.pem()).unwrap();
        path
    }

    /// `curl`, with what it says on standard output.
    async fn curl(&self, args: &[&str]) -> String {
        let port = self.address.port();
        let output = Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--max-time",
                "10",
                "--cacert",
            ])
            .arg(self.ca())
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
            .args(args)
            .arg(format!("https://localhost:{port}/plain"))
            .stdin(Stdio::null())
            .output()
            .await
            .expect("this test needs curl: install it");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

/// One request on a connection, by the protocol that ALPN has chosen.
async fn get(stream: TlsStream<TcpStream>) -> (u16, http::Version) {
    let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let request = http::Request::get("https://localhost/plain")
        .header("host", "localhost")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = if second {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (status, version) = (answer.status().as_u16(), answer.version());
    answer.into_body().collect().await.unwrap();
    (status, version)
}

#[tokio::test]
async fn both_versions_of_tls_and_http_are_spoken() {
    let served = serve().await;
    for (most, spoken) in [
        (Version::Tls12, ProtocolVersion::TLSv1_2),
        (Version::Tls13, ProtocolVersion::TLSv1_3),
    ] {
        for (alpn, version) in [
            (&BOTH[..], http::Version::HTTP_2),
            (&["http/1.1"], http::Version::HTTP_11),
            (&[], http::Version::HTTP_11),
        ] {
            let config = served.authority.client(Version::Tls12, most, alpn);
            let stream = served.shake(config, "localhost").await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(spoken));
            assert_eq!(get(stream).await, (200, version), "{alpn:?}");
        }
    }
    let unknown = served.shake(served.client(&["smtp"]), "localhost").await;
    assert!(unknown.is_err(), "no protocol in common");
}

#[tokio::test]
async fn curl_is_served() {
    let served = serve().await;
    for (args, seen) in [
        (&["--tlsv1.3", "--http2"][..], "plain 2 200"),
        (&["--tls-max", "1.2", "--http2"], "plain 2 200"),
        (&["--tls-max", "1.2", "--http1.1"], "plain 1.1 200"),
    ] {
        let format = ["-w", " %{http_version} %{http_code}"];
        assert_eq!(served.curl(&[args, &format].concat()).await, seen, "{args:?}");
    }
}

#[tokio::test]
async fn the_old_version_is_refused_where_settings_say_so() {
    let served = serve_with_names(&[], Version::Tls13, Handshakes::default()).await;
    let old = served.authority.client(Version::Tls12, Version::Tls12, &BOTH);
    assert!(served.shake(old, "localhost").await.is_err());
    let new = served.shake(served.client(&BOTH), "localhost").await.unwrap();
    assert_eq!(get(new).await.0, 200);
}

#[tokio::test]
async fn sessions_are_resumed() {
    let served = serve().await;
    for most in [Version::Tls12, Version::Tls13] {
        let config = served.authority.client(Version::Tls12, most, &["http/1.1"]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut stream = served.shake(Arc::clone(&config), "localhost").await.unwrap();
            // Tickets of TLS 1.3 come with the first answer.
            let request = b"GET /plain HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds[1], HandshakeKind::Resumed, "{most:?}: {kinds:?}");
    }
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name() {
    let served = serve_with_names(
        &["shop.example", "*.apps.example"],
        Version::Tls12,
        Handshakes::default(),
    )
    .await;
    for name in [
        "localhost",
        "shop.example",
        "SHOP.example",
        "one.apps.example",
        "two.apps.example",
    ] {
        let stream = served.shake(served.client(&BOTH), name).await;
        assert_eq!(get(stream.unwrap_or_else(|e| panic!("{name}: {e}"))).await.0, 200);
    }
    for name in ["other.example", "apps.example", "a.b.apps.example"] {
        let error = served
            .shake(served.client(&BOTH), name)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("not valid for name"),
            "{name} is shown the default: {error}"
        );
    }
}

#[tokio::test]
async fn plain_http_is_told_and_others_are_let_go() {
    let served = serve().await;
    for (bytes, answer) in [
        (
            &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
            "HTTP/1.1 400 Bad Request\r\n",
        ),
        (b"SSH-2.0-x\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        (b"\x00\x01\x02", ""),
    ] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut text = Vec::new();
        let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut text))
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(
            text.starts_with(answer) && (read.is_ok() || text.is_empty()),
            "{text}"
        );
        assert!(answer.is_empty() || text.contains("https://"), "{text}");
    }
}

#[tokio::test]
async fn slow_handshakes_end_and_hold_nobody_up() {
    let handshakes = Handshakes {
        time: Duration::from_millis(500),
        at_once: 2,
    };
    let served = serve_with_names(&[], Version::Tls12, handshakes).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(TcpStream::connect(served.address).await.unwrap());
    }
    let stream = timeout(
        Duration::from_millis(400),
        served.shake(served.client(&BOTH), "localhost"),
    );
    assert_eq!(get(stream.await.unwrap().unwrap()).await.0, 200);
    for stream in &mut slow {
        let closed = timeout(Duration::from_secs(5), stream.read(&mut [0; 1]))
            .await
            .unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn a_stop_waits_for_requests_and_for_no_handshake() {
    let served = serve().await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut slow = served
        .shake(served.client(&["http/1.1"]), "localhost")
        .await
        .unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    sleep(Duration::from_millis(100)).await;
    served.stop.cancel();
    let mut answer = String::new();
    slow.read_to_string(&mut answer)
        .await
        .expect("the connection ends as TLS says");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    timeout(Duration::from_secs(2), served.server)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(silent.read(&mut [0; 1]).await, Ok(0) | Err(_)));
}

/// The serial number of the certificate that is shown.
async fn shown(served: &Served) -> Vec<u8> {
    let stream = served.shake(served.client(&BOTH), "localhost").await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_changed_under_load_without_a_failed_request() {
    let served = Arc::new(serve().await);
    let stop = CancellationToken::new();
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (served, stop) = (Arc::clone(&served), stop.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while !stop.is_cancelled() {
                    let stream = served.shake(served.client(&BOTH), "localhost").await.unwrap();
                    assert_eq!(get(stream).await.0, 200);
                    count += 1;
                }
                count
            })
        })
        .collect();
    let first = shown(&served).await;
    let folder = served.folder.path();

    // What cannot be used changes nothing.
    std::fs::write(folder.join("default.crt"), "no certificate").unwrap();
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(shown(&served).await, first);

    served.authority.issue(&["localhost"]).write(folder, "default");
    let changed = async {
        while shown(&served).await == first {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), changed)
        .await
        .expect("the new certificate is shown");
    stop.cancel();
    for task in load {
        assert!(task.await.unwrap() > 0);
    }
}
