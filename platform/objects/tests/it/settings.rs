//! Settings that are wrong, and servers that do not answer as wished: each is told at the start.

use std::{borrow::Borrow, path::Path};

use stoa_engines::S3;
use stoa_objects::{ObjectError, Objects, ObjectsConfig};
use tempfile::TempDir;

use crate::fixture::{blocking, config, send, server};

async fn refused(config: impl Borrow<ObjectsConfig>) -> String {
    let config = config.borrow();
    let opened = Objects::open(config, Path::new("/nowhere")).await;
    let error = opened.err().unwrap_or_else(|| panic!("{config:?} is taken"));
    let words = error.to_string();
    assert!(
        !words.contains(&config.secret_access_key) || config.secret_access_key.is_empty(),
        "{words}"
    );
    words
}

fn at(url: &str) -> ObjectsConfig {
    ObjectsConfig {
        url: url.to_owned(),
        access_key_id: "an-id".to_owned(),
        secret_access_key: "hush-hush".to_owned(),
        ..ObjectsConfig::default()
    }
}

#[tokio::test]
async fn what_is_no_url_is_told_with_what_one_looks_like() {
    for url in [
        "bucket",
        "s3:",
        "s3://",
        "http://bucket",
        "s3://user:pass@bucket",
        "s3://bucket:80",
        "s3://bucket?x=1",
        "file://elsewhere/path",
    ] {
        let words = refused(&at(url)).await;
        assert!(words.starts_with("objects.url: "), "{url}: {words}");
        assert!(words.contains("s3://bucket/prefix"), "{url}: {words}");
    }
    let words = refused(&at("s3://bucket/Not%20A%20Key")).await;
    assert!(words.contains("cannot begin a key"), "{words}");
}

#[tokio::test]
async fn the_other_settings_are_named_when_they_are_wrong() {
    for endpoint in [
        "s3.example.com",
        "ftp://s3.example.com",
        "http://user@s3.example.com",
        "http://a/b",
    ] {
        let words = refused(ObjectsConfig {
            endpoint: endpoint.to_owned(),
            ..at("s3://bucket")
        });
        assert!(words.await.contains("objects.endpoint"), "{endpoint}");
    }
    let words = refused(ObjectsConfig {
        endpoint: "http://127.0.0.1:1".to_owned(),
        virtual_host_style: true,
        ..at("s3://bucket")
    });
    assert!(words.await.contains("objects.virtual_host_style"));
    let words = refused(ObjectsConfig {
        access_key_id: String::new(),
        ..at("s3://bucket")
    });
    assert!(words.await.contains("objects.access_key_id is not"));
    let words = refused(ObjectsConfig {
        secret_access_key: String::new(),
        ..at("s3://bucket")
    });
    assert!(words.await.contains("objects.secret_access_key is not"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let port = stoa_engines::free_port();
    let words = refused(ObjectsConfig {
        endpoint: format!("http://127.0.0.1:{port}"),
        ..at("s3://stoa")
    });
    let words = words.await;
    assert!(
        words.starts_with("objects.url: s3://stoa at http://127.0.0.1:"),
        "{words}"
    );
    assert!(words.to_lowercase().contains("refused"), "{words}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told() {
    let server = server().await;
    let words = refused(&config(&server, "s3://nobodys-bucket")).await;
    assert!(
        words.contains("s3://nobodys-bucket at http://127.0.0.1"),
        "{words}"
    );
    assert!(words.contains("the bucket does not exist"), "{words}");
}

#[tokio::test]
async fn a_key_that_is_wrong_is_told_and_no_secret_is_shown() {
    let server = blocking(S3::start).await;
    let address = format!("127.0.0.1:{}", server.port());
    // From now on this server looks at who asks.
    let strict = blocking(move || {
        let head = "POST /moto-api/reset-auth HTTP/1.1\r\nConnection: close\r\nContent-Length: 1";
        send(&address, &format!("{head}\r\nHost: {address}\r\n\r\n0"))
    });
    assert!(strict.await.starts_with("HTTP/1.1 200"));
    let wrong = ObjectsConfig {
        secret_access_key: "hush-hush".to_owned(),
        ..config(&server, "s3://stoa")
    };
    let words = refused(&wrong).await;
    assert!(words.contains("objects.access_key_id"), "{words}");
    let debug = format!("{wrong:?}");
    assert!(!debug.contains("hush") && !debug.contains("test-key"), "{debug}");
}

#[tokio::test]
async fn a_server_that_goes_away_is_noticed_and_used_again() {
    let mut server = blocking(S3::start).await;
    let objects = Objects::open(&config(&server, "s3://stoa"), Path::new("/nowhere"))
        .await
        .unwrap();
    let mut server = blocking(move || {
        server.kill();
        server
    })
    .await;
    let error = objects.ping().await.unwrap_err();
    assert!(matches!(error, ObjectError::Settings(_)), "{error}");
    assert!(objects.get("a").await.is_err());
    let _server = blocking(move || {
        server.start_again();
        server.make_bucket("stoa");
        server
    })
    .await;
    objects.ping().await.unwrap();
}

#[tokio::test]
async fn a_folder_may_be_named() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("some where");
    let url = format!("file://{}", folder.display()).replace(' ', "%20");
    let objects = Objects::open(&at(&url), Path::new("/nowhere")).await.unwrap();
    objects.put("a", "1".into()).await.unwrap();
    assert!(folder.join("a").is_file());
}
