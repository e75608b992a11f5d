//! Certificates from a real authority.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::{
    collections::HashMap,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use stoa_acme::{Acme, AcmeConfig, Challenge};
use stoa_engines::{Pebble, PebbleOptions};
use stoa_kernel::Clock;
use stoa_tls::{Acceptor, Certificates, Handshakes, Source, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 2] = ["stoa.test", "www.stoa.test"];
const DAY: u64 = 24 * 3600;

type Texts = Arc<Mutex<HashMap<String, String>>>;

/// An authority, and the listeners that it asks.
struct Fixture {
    pebble: Pebble,
    address: std::net::SocketAddr,
    certificates: Arc<Certificates>,
    texts: Texts,
    folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        // What is logged is shown where a test fails.
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let (tls, http) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let address = tls.local_addr().unwrap();
        let options = PebbleOptions {
            tls_port: address.port(),
            http_port: http.local_addr().unwrap().port(),
            validity: 90 * DAY,
        };
        let pebble = tokio::task::spawn_blocking(move || Pebble::start(options))
            .await
            .unwrap();
        let certificates = Certificates::watch(Source::default()).unwrap();
        let acceptor = Acceptor::new(
            certificates.server_config(Version::Tls12).unwrap(),
            Handshakes::default(),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
            }
        });
        let texts = Texts::default();
        tokio::spawn(plain(http, Arc::clone(&texts)));
        Self {
            pebble,
            address,
            certificates,
            texts,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn acme(&self, challenge: Challenge, clock: &Clock) -> Acme {
        let config = AcmeConfig {
            domains: NAMES.map(str::to_owned).to_vec(),
            email: "ops@stoa.test".to_owned(),
            agree_terms: true,
            directory: self.pebble.url(),
            ca: self.pebble.ca(),
            challenge,
        };
        let texts = Arc::clone(&self.texts);
        let http = move |token: &str, text: Option<String>| {
            let mut texts = texts.lock().unwrap();
            match text {
                Some(text) => _ = texts.insert(token.to_owned(), text),
                None => _ = texts.remove(token),
            }
        };
        let certificates = Arc::clone(&self.certificates);
        Acme::open(
            config,
            self.folder.path(),
            clock.clone(),
            certificates,
            Box::new(http),
        )
        .unwrap()
        .look_every(Duration::from_millis(100))
    }

    /// Waits until a certificate other than `before` is shown that a client accepts for each name, and returns it.
    async fn shown(&self, before: Option<&CertificateDer<'static>>) -> CertificateDer<'static> {
        let shown = async {
            loop {
                let mut found = Vec::new();
                for name in NAMES {
                    found.extend(self.look(name).await);
                }
                if found.len() == NAMES.len() && Some(&found[0]) != before {
                    return found.swap_remove(0);
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(60), shown)
            .await
            .expect("a certificate is shown")
    }

    /// What a client that believes the authority is shown for this name.
    async fn look(&self, name: &str) -> Option<CertificateDer<'static>> {
        let mut roots = RootCertStore::empty();
        roots.add(root(&self.pebble)?).unwrap();
        let config = stoa_tls::client_config(roots, Version::Tls12).unwrap();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(name, stream)
            .await
            .ok()?;
        Some(stream.get_ref().1.peer_certificates()?[0].clone().into_owned())
    }
}

/// The root of what Pebble issues, which is another each time it starts.
fn root(pebble: &Pebble) -> Option<CertificateDer<'static>> {
    let output = Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--max-time", "10", "--cacert"])
        .arg(pebble.ca())
        .arg(pebble.root_url())
        .output()
        .expect("this test needs curl: install it");
    CertificateDer::from_pem_slice(&output.stdout).ok()
}

/// Answers under `/.well-known/acme-challenge/`.
async fn plain(listener: TcpListener, texts: Texts) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = vec![0; 4096];
        let count = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..count]).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default();
        let token = path.rsplit('/').next().unwrap_or_default();
        let text = texts.lock().unwrap().get(token).cloned().unwrap_or_default();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        found.push((entry.file_name().to_string_lossy().into_owned(), mode));
        if entry.path().is_dir() {
            found.extend(modes(&entry.path()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_obtained_renewed_and_kept() {
    let mut fixture = Fixture::new().await;
    let (clock, stop) = (Clock::adjustable(), CancellationToken::new());
    let running = tokio::spawn(fixture.acme(Challenge::TlsAlpn, &clock).run(stop.clone()));
    let first = fixture.shown(None).await;

    // Well before two thirds of its life nothing happens; at two thirds there is another.
    clock.advance(Duration::from_secs(50 * DAY));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(fixture.shown(None).await, first);
    clock.advance(Duration::from_secs(10 * DAY));
    let second = fixture.shown(Some(&first)).await;
    stop.cancel();
    running.await.unwrap();

    let modes = modes(fixture.folder.path());
    assert_eq!(
        modes.iter().filter(|(_, mode)| *mode == 0o600).count(),
        2,
        "{modes:?}"
    );
    assert!(modes.iter().all(|(_, mode)| mode & 0o077 == 0), "{modes:?}");

    // A start later it is shown at once, and nobody is asked.
    let root = root(&fixture.pebble).unwrap();
    fixture.pebble.stop();
    fixture.certificates = Certificates::watch(Source::default()).unwrap();
    let _acme = fixture.acme(Challenge::TlsAlpn, &Clock::adjustable());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(
        fixture.certificates.server_config(Version::Tls12).unwrap(),
        Handshakes::default(),
    );
    tokio::spawn(async move {
        acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .map(drop)
    });
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let config = stoa_tls::client_config(roots, Version::Tls12).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(NAMES[0]).unwrap();
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_asks_over_http_is_answered() {
    let fixture = Fixture::new().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(fixture.acme(Challenge::Http, &Clock::system()).run(stop.clone()));
    fixture.shown(None).await;
    stop.cancel();
    running.await.unwrap();
    assert!(fixture.texts.lock().unwrap().is_empty(), "answers are over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_away_or_has_forgotten_us_is_tried_again() {
    let mut fixture = Fixture::new().await;
    let (clock, stop) = (Clock::adjustable(), CancellationToken::new());
    let running = tokio::spawn(fixture.acme(Challenge::TlsAlpn, &clock).run(stop.clone()));
    let first = fixture.shown(None).await;
    fixture.pebble.kill();
    clock.advance(Duration::from_secs(70 * DAY));
    sleep(Duration::from_millis(300)).await;
    // It comes back without its accounts.
    fixture.pebble.start_again();
    fixture.shown(Some(&first)).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let fine = AcmeConfig {
        domains: vec!["stoa.test".to_owned()],
        email: String::new(),
        agree_terms: true,
        directory: "https://acme.example/dir".to_owned(),
        ca: "".into(),
        challenge: Challenge::TlsAlpn,
    };
    let open = |change: &dyn Fn(&mut AcmeConfig)| {
        let mut config = fine.clone();
        change(&mut config);
        let certificates = Certificates::watch(Source::default()).unwrap();
        Acme::open(
            config,
            folder.path(),
            Clock::system(),
            certificates,
            Box::new(|_, _| {}),
        )
        .map(drop)
    };
    assert!(open(&|_| {}).is_ok());
    for (change, words) in [
        (
            &(|c: &mut AcmeConfig| c.agree_terms = false) as &dyn Fn(&mut AcmeConfig),
            "agree_terms is not true",
        ),
        (
            &|c| c.directory = "http://a/dir".to_owned(),
            "server.tls.acme.directory",
        ),
        (&|c| c.domains = vec!["*.stoa.test".to_owned()], "'*.stoa.test'"),
        (&|c| c.domains = vec!["10.0.0.1".to_owned()], "'10.0.0.1'"),
        (&|c| c.ca = "/nowhere".into(), "server.tls.acme.ca: /nowhere"),
    ] {
        let error = open(change).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
