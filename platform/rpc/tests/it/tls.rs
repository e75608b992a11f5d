//! Who shows what to whom, and who is refused.

use std::time::Duration;

use stoa_rpc::{RpcConfig, RpcOptions, RpcTlsConfig};
use stoa_tls::testing::Authority;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::{
    echo::ask,
    log, plain,
    replica::{Pki, Replica, directory, port},
};

/// What a caller with these options hears from that replica.
async fn refused(replica: &Replica, options: &RpcOptions) -> Status {
    let status = ask(directory(&[replica.url("https")], options).channel("echo"), "a")
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_another_authority_is_refused() {
    log::keep();
    let (pki, strangers) = (Pki::new(), Pki::new());
    let replica = Replica::start("a", pki.options("server"), port());
    // It believes the server, but shows a certificate that the server does not believe.
    let stranger = pki.options_with("stranger", &strangers.issue());
    let status = refused(&replica, &stranger).await;
    assert!(status.message().contains("received fatal alert"), "{status:?}");
    log::expect(&["a caller is refused", "UnknownIssuer"]).await;
    log::expect(&[
        "a replica cannot be reached",
        &replica.address.to_string(),
        "received fatal alert",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_authority_is_refused() {
    log::keep();
    let (pki, strangers) = (Pki::new(), Pki::new());
    let replica = Replica::start("a", strangers.options("server"), port());
    let status = refused(&replica, &pki.options("caller")).await;
    assert!(status.message().contains("UnknownIssuer"), "{status:?}");
    log::expect(&[
        "a replica cannot be reached",
        &replica.address.to_string(),
        "UnknownIssuer",
    ])
    .await;
    log::expect(&["a caller is refused", "received fatal alert: UnknownCA"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_certificates_are_refused_on_both_sides() {
    log::keep();
    let pki = Pki::new();
    let expired = pki.authority.issue_expired(&["127.0.0.1"]);
    let replica = Replica::start("a", pki.options("server"), port());
    let status = refused(&replica, &pki.options_with("caller", &expired)).await;
    assert!(
        status
            .message()
            .contains("received fatal alert: CertificateExpired"),
        "{status:?}"
    );
    log::expect(&["a caller is refused", "certificate expired"]).await;

    let replica = Replica::start("b", pki.options_with("expired", &expired), port());
    let status = refused(&replica, &pki.options("other")).await;
    assert!(status.message().contains("certificate expired"), "{status:?}");
    log::expect(&["a caller is refused", "received fatal alert: CertificateExpired"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_name_is_refused() {
    let pki = Pki::new();
    let other = pki.authority.issue(&["other.example"]);
    let replica = Replica::start("a", pki.options_with("server", &other), port());
    let status = refused(&replica, &pki.options("caller")).await;
    assert!(status.message().contains("not valid for name"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_without_a_certificate_is_refused() {
    log::keep();
    let pki = Pki::new();
    let replica = Replica::start("a", pki.options("server"), port());
    let config = pki
        .authority
        .client(stoa_tls::Version::Tls13, stoa_tls::Version::Tls13, &["h2"]);
    let stream = tokio::net::TcpStream::connect(replica.address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, stream)
        .await
        .unwrap();
    // In TLS 1.3 the server says so only after its own part is done.
    let error = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    log::expect(&["a caller is refused", "peer sent no certificates"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_side_alone_with_tls_is_refused() {
    log::keep();
    let pki = Pki::new();
    let with = Replica::start("a", pki.options("server"), port());
    let status = ask(directory(&[with.url("http")], &plain()).channel("echo"), "a")
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    log::expect(&["a caller is refused", "the peer speaks HTTP without TLS"]).await;
    let without = Replica::start("b", plain(), port());
    refused(&without, &pki.options("caller")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_and_authorities_are_changed_while_calls_go_on() {
    let pki = Pki::new();
    let replica = Replica::start("a", pki.options("server"), port());
    let options = pki.options("caller");
    let urls = [replica.url("https")];
    assert_eq!(
        ask(directory(&urls, &options).channel("echo"), "a")
            .await
            .unwrap(),
        "A"
    );
    // First both authorities are believed, then certificates are issued by the new one.
    let next = Authority::new("next");
    std::fs::write(pki.folder().join("ca.pem"), pki.authority.pem() + &next.pem()).unwrap();
    sleep(Duration::from_millis(2500)).await;
    next.issue(&["127.0.0.1"]).write(pki.folder(), "server");
    let replaced = async {
        // A stranger who believes the new authority alone sees when the server shows its certificate.
        let only_new = next.client(stoa_tls::Version::Tls13, stoa_tls::Version::Tls13, &["h2"]);
        loop {
            assert_eq!(
                ask(directory(&urls, &options).channel("echo"), "a")
                    .await
                    .unwrap(),
                "A"
            );
            let stream = tokio::net::TcpStream::connect(replica.address).await.unwrap();
            let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
            let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(&only_new));
            if connector.connect(name, stream).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), replaced)
        .await
        .expect("the new certificate is shown");
}

#[tokio::test]
async fn settings_that_do_not_go_together_are_refused_by_name() {
    let pki = Pki::new();
    let (certificate, key) = pki.issue().write(pki.folder(), "one");
    let tls = RpcTlsConfig {
        certificate,
        key,
        ca: pki.folder().join("ca.pem"),
    };
    let config = |change: &dyn Fn(&mut RpcTlsConfig)| {
        let mut tls = tls.clone();
        change(&mut tls);
        RpcConfig {
            tls,
            ..RpcConfig::default()
        }
    };
    for (config, words) in [
        (
            config(&|tls| tls.ca = "".into()),
            "rpc.tls.ca is not: certificate, key and ca",
        ),
        (
            config(&|tls| tls.ca = "/nowhere".into()),
            "rpc.tls.ca (/nowhere): No such file",
        ),
        (
            config(&|tls| tls.key = tls.ca.clone()),
            "there is no private key in it",
        ),
        (
            config(&|tls| tls.certificate = tls.ca.clone()),
            "it is not the key of the certificate",
        ),
    ] {
        let error = config.options().err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    }
    let (with, without) = (config(&|_| {}).options().unwrap(), plain());
    let directory = stoa_rpc::Directory::new();
    assert!(directory.set_remote("echo", &["http://a:1"], &with).is_err());
    assert!(directory.set_remote("echo", &["https://a:1"], &with).is_ok());
    assert!(directory.set_remote("echo", &["https://a:1"], &without).is_err());
    assert!(directory.set_remote::<&str>("echo", &[], &without).is_err());
}

#[tokio::test]
async fn without_tls_others_are_kept_out_unless_settings_say_so() {
    let secure = RpcConfig::default();
    let error = secure.bind("0.0.0.0:0", &plain()).await.unwrap_err().to_string();
    assert!(
        error.contains("rpc.tls.certificate") && error.contains("rpc.insecure"),
        "{error}"
    );
    assert!(secure.bind("127.0.0.1:0", &plain()).await.is_ok());
    assert!(secure.bind("0.0.0.0:0", &Pki::new().options("a")).await.is_ok());
    let insecure = RpcConfig {
        insecure: true,
        ..RpcConfig::default()
    };
    assert!(insecure.bind("0.0.0.0:0", &plain()).await.is_ok());
    let error = secure
        .bind("nowhere.invalid:1", &plain())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("server.rpc_listen"), "{error}");
}
