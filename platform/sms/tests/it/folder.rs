use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo, http::Request};
use http_body_util::BodyExt;
use stoa_sms::{DevPages, SendError, SmsSender};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{config, opened, sms};

fn folder() -> (SmsSender, TempDir) {
    let dir = TempDir::new().unwrap();
    (opened(&config(""), dir.path().join("sms")).unwrap(), dir)
}

async fn page(sender: &SmsSender, path: &str) -> (u16, String) {
    let DevPages {
        router, path: entry, ..
    } = sender.dev_pages().unwrap().unwrap();
    let (_, key) = entry.split_once("/dev/sms?key=").unwrap();
    let mut request = Request::get(path)
        .header("host", "localhost:3000")
        .header("cookie", format!("stoa_dev_sms={key}"))
        .body(Body::empty())
        .unwrap();
    let peer: SocketAddr = "127.0.0.1:5000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn messages_are_kept_once_per_id_and_shown() {
    let (sender, _dir) = folder();
    assert!(sender.is_folder());
    assert!(page(&sender, "/dev/sms").await.1.contains("No messages yet"));
    for id in ["one", "two", "one"] {
        let receipt = sender.send(&sms(id)).await.unwrap();
        assert_eq!((receipt.provider.as_str(), receipt.id.as_str()), ("folder", id));
    }
    assert_eq!(sender.kept().await.unwrap(), [sms("two"), sms("one")]);
    let (_, list) = page(&sender, "/dev/sms").await;
    assert!(
        list.contains("href=\"/dev/sms/one\"") && list.contains("2 messages"),
        "{list}"
    );
    let (status, one) = page(&sender, "/dev/sms/one").await;
    assert_eq!(status, 200);
    assert!(
        one.contains("1 (GSM 7-bit)") && one.contains("123456 &amp; more"),
        "{one}"
    );
    let (_, json) = page(&sender, "/dev/sms/one?format=json").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json["to"].as_str(), json["id"].as_str()),
        (Some("+15005550001"), Some("one"))
    );
    assert_eq!(page(&sender, "/dev/sms/three").await.0, 404);
}

#[tokio::test]
async fn somebodys_messages_can_be_deleted() {
    let (sender, _dir) = folder();
    let mut other = sms("two");
    other.to = "+15005550002".to_owned();
    sender.send(&sms("one")).await.unwrap();
    sender.send(&other).await.unwrap();
    sender.delete(|to| to == "+15005550001").await.unwrap();
    assert_eq!(sender.kept().await.unwrap(), [other]);
}

#[tokio::test]
async fn what_can_never_be_sent_is_refused() {
    let (sender, _dir) = folder();
    let mut wrong = [sms("a"), sms("a"), sms("../a"), sms("a"), sms("a")];
    wrong[0].to = "015005550001".to_owned();
    wrong[1].text = " ".to_owned();
    wrong[3].text = "a\0b".to_owned();
    wrong[4].text = "a".repeat(1531);
    for sms in &wrong {
        let sent = sender.send(sms).await;
        assert!(
            matches!(sent, Err(SendError::Permanent(_) | SendError::Refused(_))),
            "{sms:?}"
        );
    }
    assert!(sender.kept().await.unwrap().is_empty());
}

#[tokio::test]
async fn only_numbers_of_the_settings_get_messages() {
    let dir = TempDir::new().unwrap();
    let mut config = config("");
    config.prefixes = vec!["+49".to_owned(), "+1500".to_owned()];
    let sender = opened(&config, dir.path().join("sms")).unwrap();
    sender.send(&sms("one")).await.unwrap();
    let mut elsewhere = sms("two");
    elsewhere.to = "+15015550001".to_owned();
    assert!(matches!(
        sender.send(&elsewhere).await,
        Err(SendError::Refused(_))
    ));
}

#[test]
fn settings_that_nothing_could_be_sent_with_are_refused() {
    let mut without_first = config("");
    without_first.fallback_urls = vec!["twilio://AC1:s3cret@api.twilio.com?from=Stoa".to_owned()];
    let mut no_prefix = config("");
    no_prefix.prefixes = vec!["49".to_owned()];
    let mut no_callback = config("");
    no_callback.callback_url = "stoa.example/callback".to_owned();
    let mut no_parts = config("");
    no_parts.max_segments = 0;
    for (config, words) in [
        (without_first, "sms.fallback_urls is set"),
        (no_prefix, "sms.prefixes has '49'"),
        (no_callback, "sms.callback_url"),
        (no_parts, "sms.max_segments"),
        (config("smtp://a:s3cret@b"), "sms.url must be twilio://"),
        (config("s3cret"), "sms.url must be twilio://"),
        (
            config("twilio://AC1:s3cret@api.twilio.com?from=Stoa&per_day=x"),
            "sms.url: per_day",
        ),
    ] {
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with(words) && !error.contains("s3cret"), "{error}");
    }
}
