use std::time::Duration;

use serde_json::{Value, json};
use stoa_kernel::Period;
use stoa_mail::{Address, Cause, Header, Mailer, SendError};
use stoa_providers::testing::{Answer, FakeApi};

use crate::{config, mail, mailer_of, peer};

fn taken() -> Answer {
    Answer::new(202, "").with("x-message-id", "14c5d75ce93.dfd.64b469")
}

async fn api() -> (FakeApi, Mailer) {
    let api = FakeApi::start(taken()).await;
    let url = format!("sendgrid://:SG.s3cret@{}?tls=none", api.address());
    (api, mailer_of(&config(&url)))
}

#[tokio::test]
async fn a_mail_is_handed_over_whole() {
    let (api, mailer) = api().await;
    let mut news = mail("one");
    news.headers.insert(
        Header::ListUnsubscribe,
        "<https://example.com/u?t=abc>".to_owned(),
    );
    news.headers.insert(
        Header::ListUnsubscribePost,
        "List-Unsubscribe=One-Click".to_owned(),
    );
    news.headers
        .insert(Header::ReplyTo, "Help <help@example.com>".to_owned());
    let receipt = mailer.send(&news).await.unwrap();
    assert_eq!(
        (receipt.provider.as_str(), receipt.id.as_str()),
        ("127.0.0.1", "14c5d75ce93.dfd.64b469")
    );
    let asked = &api.asked()[0];
    assert_eq!(asked.line, "POST /v3/mail/send");
    assert_eq!(asked.headers["authorization"], "Bearer SG.s3cret");
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    let off = json!({ "enable": false });
    let expected = json!({
        "personalizations": [{ "to": [{ "email": "ada@example.com", "name": "Ada" }] }],
        "from": { "email": "stoa@example.com", "name": "Stoa" },
        "reply_to": { "email": "help@example.com", "name": "Help" },
        "subject": "Welcome one",
        "content": [
            { "type": "text/plain", "value": news.text },
            { "type": "text/html", "value": news.html },
        ],
        "headers": {
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": "<https://example.com/u?t=abc>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "custom_args": { "mail_id": "one" },
        "tracking_settings": { "click_tracking": off, "open_tracking": off, "subscription_tracking": off },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_the_api_refuses_says_why_without_the_address() {
    let (api, mailer) = api().await;
    let problem = |field: Option<&str>, message: &str| json!({ "errors": [{ "message": message, "field": field, "help": null }] });
    let to = Some("personalizations.0.to.0.email");
    api.next(Answer::new(
        400,
        problem(to, "Does not contain a valid address: ada@example.com"),
    ));
    let Err(SendError::Refused(why)) = mailer.send(&mail("one")).await else {
        panic!("not refused")
    };
    assert!(
        why.contains("Does not contain a valid address") && !why.contains("ada@"),
        "{why}"
    );

    api.next(Answer::new(
        400,
        problem(Some("content"), "The content value must be a string"),
    ));
    let Err(SendError::Permanent(why)) = mailer.send(&mail("one")).await else {
        panic!("not for good")
    };
    assert!(why.contains("400 The content value must be a string"), "{why}");
    api.next(Answer::new(413, ""));
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(SendError::Permanent(_))
    ));

    for status in [401, 403] {
        api.next(Answer::new(
            status,
            problem(None, "The from address does not match a verified Sender Identity"),
        ));
        let sent = mailer.send(&mail("one")).await;
        assert!(
            matches!(
                sent,
                Err(SendError::Transient {
                    cause: Cause::Provider,
                    ..
                })
            ),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn a_busy_api_is_left_alone_for_as_long_as_it_asks() {
    for (answer, seconds) in [
        (Answer::new(429, "too many").with("retry-after", "17"), 17),
        (Answer::new(429, "too many"), 60),
        (
            Answer::new(503, "down").with("retry-after", "Tue, 31 Dec 2999 23:59:59 GMT"),
            3600,
        ),
    ] {
        let (api, mailer) = api().await;
        api.next(answer);
        assert!(mailer.send(&mail("one")).await.is_err());
        let sent = mailer.send(&mail("two")).await;
        let Err(SendError::Transient {
            retry_after: Some(wait),
            ..
        }) = sent
        else {
            panic!("{sent:?}")
        };
        let bounds = Duration::from_secs(seconds - 2)..=Duration::from_secs(seconds);
        assert!(bounds.contains(&wait), "{wait:?}");
        assert_eq!(api.asked().len(), 1, "it was not asked again");
    }
}

#[tokio::test]
async fn a_broken_api_is_given_up_and_a_mail_server_takes_over() {
    let (address, mut received) = peer::start("250 fine").await;
    let api = FakeApi::start(Answer::new(500, "oops")).await;
    let mut config = config(&format!("sendgrid://:SG.s3cret@{}?tls=none", api.address()));
    config.fallback_urls = vec![format!("smtp://{address}?tls=none")];
    let mailer = mailer_of(&config);
    for n in 0..10 {
        let receipt = mailer.send(&mail(&format!("m{n}"))).await.unwrap();
        assert_eq!(
            (receipt.provider.as_str(), receipt.id.as_str()),
            ("127.0.0.1#2", "taken")
        );
        received.recv().await.unwrap();
    }
    assert_eq!(api.asked().len(), 5);
}

#[tokio::test]
async fn an_answer_that_was_lost_may_have_been_a_mail_that_was_sent() {
    let api = FakeApi::start(Answer::new(0, "")).await;
    let mut config = config(&format!("sendgrid://:SG.s3cret@{}?tls=none", api.address()));
    config.timeout = Period(Duration::from_millis(200));
    let sent = mailer_of(&config).send(&mail("one")).await;
    assert!(
        matches!(
            sent,
            Err(SendError::Transient {
                cause: Cause::Lost,
                ..
            })
        ),
        "{sent:?}"
    );
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn an_api_that_is_away_has_sent_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "sendgrid://:SG.s3cret@{}?tls=none",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let sent = mailer_of(&config(&url)).send(&mail("one")).await;
    let Err(SendError::Transient {
        cause: Cause::Provider,
        why,
        ..
    }) = sent
    else {
        panic!("{sent:?}")
    };
    assert!(!why.contains("s3cret"), "{why}");
}

#[tokio::test]
async fn addresses_beyond_ascii_are_not_for_the_api() {
    let (api, mailer) = api().await;
    let beyond = Address::parse("jos\u{e9}@example.com").unwrap();
    assert!(!mailer.takes(&beyond).await);
    let mut to = mail("one");
    to.to = beyond.to_string();
    assert!(matches!(mailer.send(&to).await, Err(SendError::Refused(_))));
    assert!(api.asked().is_empty());
}

#[test]
fn a_wrong_address_is_refused_without_repeating_its_key() {
    for url in [
        "sendgrid://api.sendgrid.com",
        "sendgrid://s3cret@api.sendgrid.com",
        "sendgrid://:s3cret@",
        "sendgrid://:s3cret%0a@api.sendgrid.com",
        "sendgrid://:s3cret@api.sendgrid.com?region=eu",
    ] {
        let error = config(url).check().unwrap_err().to_string();
        assert!(
            error.starts_with("mail.url") && !error.contains("s3cret"),
            "{error}"
        );
    }
}

#[test]
fn events_are_believed_by_the_key_of_the_settings() {
    // Key, signature and body of the tests of SendGrid's own client for Python are in the unit tests; here, that the setting counts.
    let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    let signature =
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    let body = concat!(
        r#"[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","#,
        r#""sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","#,
        r#""smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]"#,
        "\r\n"
    );
    let mut config = config("smtp://mx.example");
    let verifies = |config: &_| mailer_of(config).verifies_events(signature, "1600112502", body.as_bytes());
    assert!(!verifies(&config), "there is no key");
    config.event_key = key.to_owned();
    assert!(verifies(&config));
    config.event_key = "nonsense".to_owned();
    assert!(
        config
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("mail.event_key")
    );
}
