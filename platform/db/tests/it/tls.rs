//! TLS to PostgreSQL: who is believed to be the server, by `sslmode`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use stoa_db::{Db, DbOptions};
use stoa_engines::Postgres;

/// Gives the server a certificate for `localhost`, and writes its authority's to `ca`.
fn certify(postgres: &Postgres, ca: &Path) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    fs::write(ca, authority.pem()).unwrap();
    let data = postgres.folder().join("data");
    let owner = fs::metadata(&data).unwrap();
    for (name, text) in [
        ("server.crt", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        use std::os::unix::fs::MetadataExt;
        let path = data.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    postgres.sql("ALTER SYSTEM SET ssl = on");
    postgres.sql("SELECT pg_reload_conf()");
}

/// Opens it, and says whether the connection is encrypted; or why it was refused.
async fn open(url: String) -> Result<bool, String> {
    let db = Db::open(DbOptions::new(url, "test"))
        .await
        .map_err(|e| e.to_string())?;
    let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    Ok(db.fetch_one(encrypted, &[]).await.unwrap())
}

#[tokio::test]
async fn each_mode_asks_what_it_says() {
    let postgres = Postgres::start();
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    let address = |host: &str, query: &str| {
        let port = postgres.port();
        format!("postgres://stoa:hunter2@{host}:{port}/postgres?{query}")
    };
    let plain = open(address("127.0.0.1", "sslmode=prefer")).await;
    assert_eq!(plain, Ok(false), "a server without TLS is used without it");
    let refused = open(address("127.0.0.1", "sslmode=require")).await.unwrap_err();
    assert!(refused.contains("does not support TLS"), "{refused}");

    certify(&postgres, &other);
    certify(&postgres, &ca);
    let (ca, other) = (ca.display(), other.display());
    // The server takes a moment to read its new settings.
    for _ in 0..200 {
        if open(address("127.0.0.1", "sslmode=prefer")).await == Ok(true) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    for (host, query, outcome) in [
        ("127.0.0.1", "sslmode=disable".to_owned(), Ok(false)),
        ("127.0.0.1", "sslmode=require".to_owned(), Ok(true)),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={ca}"),
            Ok(true),
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-ca&sslrootcert={ca}"),
            Ok(true),
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={ca}"),
            Err("not valid for name"),
        ),
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={other}"),
            Err("BadSignature"),
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={other}"),
            Err("BadSignature"),
        ),
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            Err("UnknownIssuer"),
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/nowhere.pem".to_owned(),
            Err("/nowhere.pem"),
        ),
        ("localhost", "sslmode=always".to_owned(), Err("sslmode is one of")),
    ] {
        let found = open(address(host, &query)).await;
        match (&found, outcome) {
            (Ok(encrypted), Ok(expected)) => assert_eq!(*encrypted, expected, "{host} {query}"),
            (Err(said), Err(part)) => {
                assert!(
                    said.contains(part) && !said.contains("hunter2"),
                    "{query}: {said}"
                );
            }
            _ => panic!("{host} {query}: {found:?}"),
        }
    }
}
