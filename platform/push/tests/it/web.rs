use std::time::Duration;

use serde_json::{Value, json};
use stoa_engines::PushService;
use stoa_kernel::{Clock, Period};
use stoa_outbound::{HeaderMap, Method, Outbound, OutboundConfig, Request};
use stoa_providers::testing::{Answer, FakeApi};
use stoa_push::{
    Cause, PushAddress, PushConfig, PushSender, SendError, Subscription, SubscriptionError, Urgency, VapidKey,
};

use crate::{config, opened, push};

const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

fn key() -> VapidKey {
    VapidKey::generate().unwrap().1
}

/// A new browser's subscription by `key`, and its name at the service.
fn subscribe(service: &PushService, sender: &PushSender, key: &VapidKey) -> (Subscription, String) {
    let given: Value = serde_json::from_str(&service.subscribe(&key.public())).unwrap();
    let part = |name: &str| given[name].as_str().unwrap();
    let subscription = sender
        .subscription(part("endpoint"), part("p256dh"), part("auth"))
        .unwrap();
    let name = part("endpoint").rsplit('/').next().unwrap().to_owned();
    (subscription, name)
}

#[tokio::test]
async fn a_browser_decrypts_what_it_is_sent() {
    let service = tokio::task::spawn_blocking(PushService::start).await.unwrap();
    let (sender, key) = (opened(&config()).unwrap(), key());
    let (subscription, name) = subscribe(&service, &sender, &key);
    // As it is stored and read again.
    let stored = serde_json::to_string(&subscription).unwrap();
    let to = PushAddress::Web(serde_json::from_str(&stored).unwrap());

    let mut long = push();
    long.text = "ä".repeat(1900);
    long.urgency = Urgency::VeryLow;
    long.topic = None;
    long.ttl = Duration::MAX;
    for message in [&push(), &long] {
        let receipt = sender.send(&key, &to, message).await.unwrap();
        assert!(
            receipt.provider.starts_with("127.0.0.1:") && receipt.id.contains(&name),
            "{receipt:?}"
        );
    }
    let got: Value = serde_json::from_str(&service.messages(&name)).unwrap();
    let text: Value = serde_json::from_str(got[0]["text"].as_str().unwrap()).unwrap();
    let expected = json!({
        "id": "n1",
        "type": "order.shipped",
        "title": "Grüße",
        "body": "Your order has left.",
        "url": "https://stoa.example/orders/1",
        "data": { "order": "1" },
    });
    assert_eq!(text, expected);
    let headers =
        json!({ "TTL": "3600", "Urgency": "high", "Topic": "order-1", "Content-Encoding": "aes128gcm" });
    assert_eq!(got[0]["headers"], headers);
    assert_eq!(got[0]["length"], 256 + 1 + 16 + 86, "its length tells little");
    let headers =
        json!({ "TTL": "2419200", "Urgency": "very-low", "Topic": null, "Content-Encoding": "aes128gcm" });
    assert_eq!(
        (&got[1]["headers"], &got[1]["length"]),
        (&headers, &json!(2800 + 1 + 16 + 86))
    );
    let text: Value = serde_json::from_str(got[1]["text"].as_str().unwrap()).unwrap();
    let body = text["body"].as_str().unwrap();
    assert!(
        body.ends_with("ä…") && (2500..2800).contains(&body.len()),
        "{body}"
    );
    assert_eq!(
        (&text["title"], &text["url"]),
        (&expected["title"], &expected["url"])
    );
}

#[tokio::test]
async fn another_key_than_the_subscribers_is_refused_and_an_ended_subscription_is_gone() {
    let service = tokio::task::spawn_blocking(PushService::start).await.unwrap();
    let (sender, key) = (opened(&config()).unwrap(), key());
    let (subscription, _) = subscribe(&service, &sender, &key);
    let to = PushAddress::Web(subscription.clone());
    let refused = sender.send(&self::key(), &to, &push()).await;
    assert!(
        matches!(&refused, Err(SendError::Permanent(why)) if why.contains("403")),
        "{refused:?}"
    );
    let elsewhere = subscription.endpoint().replace("/push/", "/push/x");
    let ended = sender.subscription(&elsewhere, P256DH, AUTH).unwrap();
    let gone = sender.send(&key, &PushAddress::Web(ended), &push()).await;
    assert!(matches!(gone, Err(SendError::Gone(_))), "{gone:?}");
    sender.send(&key, &to, &push()).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_long_is_cut_and_not_lost() {
    // As much as Firefox for Android is brought.
    const MOST: i64 = 3070;
    let service = tokio::task::spawn_blocking(PushService::start).await.unwrap();
    let (sender, key) = (opened(&config()).unwrap(), key());
    let (subscription, name) = subscribe(&service, &sender, &key);
    let to = PushAddress::Web(subscription);
    let mut long = push();
    for (title, text) in [
        ("x".repeat(500), "\"\u{1}".repeat(5000)),
        ("\"".repeat(5000), "y".repeat(5000)),
    ] {
        (long.title, long.text) = (title, text);
        sender.send(&key, &to, &long).await.unwrap();
    }
    let got: Value = serde_json::from_str(&service.messages(&name)).unwrap();
    for one in [&got[0], &got[1]] {
        assert!(one["length"].as_i64().unwrap() <= MOST, "{one}");
        let text: Value = serde_json::from_str(one["text"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&text["id"], &text["data"]),
            (&json!("n1"), &json!({ "order": "1" }))
        );
        assert!(text["title"].as_str().unwrap().len() >= 500);
    }
    long.data.insert("x".to_owned(), "x".repeat(3000));
    let refused = sender.send(&key, &to, &long).await;
    assert!(matches!(refused, Err(SendError::Permanent(_))), "{refused:?}");
}

fn at(sender: &PushSender, api: &FakeApi) -> PushAddress {
    let endpoint = format!("http://{}/1", api.address());
    PushAddress::Web(sender.subscription(&endpoint, P256DH, AUTH).unwrap())
}

#[tokio::test]
async fn answers_say_whether_to_delete_to_wait_or_to_give_up() {
    let (sender, key) = (opened(&config()).unwrap(), key());
    let api = FakeApi::start(Answer::new(201, "")).await;
    let to = at(&sender, &api);
    for status in [404, 410] {
        api.next(Answer::new(status, "unsubscribed"));
        assert!(matches!(
            sender.send(&key, &to, &push()).await,
            Err(SendError::Gone(_))
        ));
    }
    for status in [400, 403, 413, 301] {
        api.next(Answer::new(status, ""));
        assert!(
            matches!(
                sender.send(&key, &to, &push()).await,
                Err(SendError::Permanent(_))
            ),
            "{status}"
        );
    }
    api.next(Answer::new(429, "slow down").with("retry-after", "7"));
    let busy = sender.send(&key, &to, &push()).await;
    let Err(SendError::Transient {
        retry_after, cause, ..
    }) = busy
    else {
        panic!("{busy:?}")
    };
    assert_eq!(
        (retry_after, cause),
        (Some(Duration::from_secs(7)), Cause::Recipient)
    );
    sender.send(&key, &to, &push()).await.unwrap();
    api.next(Answer::new(503, "").with("retry-after", "7"));
    assert!(sender.send(&key, &to, &push()).await.is_err());
    let waiting = sender.send(&key, &to, &push()).await;
    assert!(
        matches!(
            waiting,
            Err(SendError::Transient {
                retry_after: Some(_),
                ..
            })
        ),
        "{waiting:?}"
    );
    assert_eq!(api.asked().len(), 9, "it was not asked again");
}

#[tokio::test]
async fn a_bad_push_service_stops_no_messages_to_others() {
    let (sender, key) = (opened(&config()).unwrap(), key());
    let (bad, good) = (
        FakeApi::start(Answer::new(500, "")).await,
        FakeApi::start(Answer::new(201, "")).await,
    );
    let (to_bad, to_good) = (at(&sender, &bad), at(&sender, &good));
    for _ in 0..10 {
        assert!(sender.send(&key, &to_bad, &push()).await.is_err());
        sender.send(&key, &to_good, &push()).await.unwrap();
    }
    assert_eq!((bad.asked().len(), good.asked().len()), (5, 10));
}

#[tokio::test]
async fn only_public_addresses_are_push_services() {
    let outbound = Outbound::new(&OutboundConfig::default()).unwrap();
    for endpoint in [
        "http://127.0.0.1:1/x",
        "https://169.254.169.254/x",
        "https://10.0.0.1/x",
        "ftp://push.example/x",
        "x",
    ] {
        let refused = Subscription::new(&outbound, endpoint, P256DH, AUTH);
        assert!(
            matches!(refused, Err(SubscriptionError::Endpoint(_))),
            "{endpoint}"
        );
    }
    let endpoint = "https://push.example/x";
    let new = |p256dh: &str, auth: &str| Subscription::new(&outbound, endpoint, p256dh, auth);
    let padded = (format!("{P256DH}="), format!("{AUTH}=="));
    assert_eq!(new(&padded.0, &padded.1), new(P256DH, AUTH));
    let kept = new(P256DH, AUTH).unwrap();
    assert_eq!(
        (kept.p256dh(), kept.auth(), kept.origin().as_str()),
        (P256DH.to_owned(), AUTH.to_owned(), "https://push.example")
    );
    assert!(!format!("{kept:?}").contains("/x"));
    for (p256dh, auth) in [(AUTH, AUTH), ("", AUTH), (&P256DH[1..], AUTH)] {
        assert_eq!(new(p256dh, auth), Err(SubscriptionError::Key));
    }
    assert_eq!(new(P256DH, P256DH), Err(SubscriptionError::Secret));
}

#[tokio::test]
async fn a_message_that_is_too_long_or_of_no_topic_is_not_sent() {
    let (sender, key) = (opened(&config()).unwrap(), key());
    let api = FakeApi::start(Answer::new(201, "")).await;
    let mut wrong = [push(), push(), push()];
    // It is not cut.
    wrong[0].link = Some(format!("https://stoa.example/{}", "a".repeat(3000)));
    wrong[1].topic = Some("a".repeat(33));
    wrong[2].topic = Some("a b".to_owned());
    for push in &wrong {
        let sent = sender.send(&key, &at(&sender, &api), push).await;
        assert!(matches!(sent, Err(SendError::Permanent(_))), "{sent:?}");
    }
    assert!(api.asked().is_empty());
}

#[test]
fn settings_that_nothing_could_be_sent_with_are_refused() {
    for contact in ["ops@example.com", "http://example.com", "https://"] {
        let mut config = config();
        config.contact = contact.to_owned();
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with("push.contact"), "{error}");
    }
}

#[tokio::test]
async fn one_that_gets_no_turn_says_nothing_of_its_push_service() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}/1", listener.local_addr().unwrap());
    let api = FakeApi::start(Answer::new(201, "")).await;
    let one_at_once = OutboundConfig {
        allow: vec!["127.0.0.1".to_owned()],
        concurrency: 1,
        ..OutboundConfig::default()
    };
    let outbound = Outbound::new(&one_at_once).unwrap();
    let config = PushConfig {
        timeout: Period(Duration::from_millis(300)),
        ..config()
    };
    let sender = PushSender::new(&config, "", &outbound, Clock::system()).unwrap();
    let silent = PushAddress::Web(sender.subscription(&silent, P256DH, AUTH).unwrap());
    let (to, key, push) = (at(&sender, &api), key(), push());
    // Who calls others meanwhile is not kept from it.
    let (_, others) = tokio::join!(sender.send(&key, &silent, &push), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let request = Request {
            method: Method::GET,
            url: &format!("http://{}/", api.address()),
            headers: HeaderMap::new(),
            body: Default::default(),
            timeout: Duration::from_millis(100),
            max_body: 0,
        };
        outbound.send(request).await
    });
    assert_eq!(others.unwrap().status, 201);
    let mut busy = 0;
    for _ in 0..3 {
        let wait = || sender.send(&key, &silent, &push);
        let (one, two, three, four) = tokio::join!(wait(), wait(), wait(), wait());
        for sent in [one, two, three, four] {
            let Err(SendError::Transient {
                retry_after, cause, ..
            }) = sent
            else {
                panic!("{sent:?}")
            };
            if cause == Cause::Busy {
                assert!(retry_after.is_some_and(|wait| wait < Duration::from_secs(60)));
                busy += 1;
            }
        }
    }
    assert!(busy >= 3, "{busy}");
    sender.send(&key, &to, &push).await.unwrap();
}
