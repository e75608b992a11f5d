use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use stoa_kernel::Period;
use stoa_providers::testing::{Answer, FakeApi};
use stoa_sms::{Cause, SendError, SmsConfig, SmsSender};
use url::form_urlencoded;

use crate::{config, opened, sms};

fn taken() -> Answer {
    Answer::new(
        201,
        json!({ "sid": "SM0123456789abcdef", "status": "queued", "num_segments": "1" }),
    )
}

fn at(api: &FakeApi) -> SmsConfig {
    config(&format!(
        "twilio://AC1:s3cret@{}?from=+15005550006&tls=none",
        api.address()
    ))
}

async fn api() -> (FakeApi, SmsSender) {
    let api = FakeApi::start(taken()).await;
    let mut config = at(&api);
    config.callback_url = "https://stoa.example/callbacks/twilio?x=1".to_owned();
    let sender = opened(&config, "unused".into()).unwrap();
    (api, sender)
}

#[tokio::test]
async fn a_message_is_handed_over_whole() {
    let (api, sender) = api().await;
    let receipt = sender.send(&sms("one")).await.unwrap();
    assert_eq!(
        (receipt.provider.as_str(), receipt.id.as_str()),
        ("127.0.0.1", "SM0123456789abcdef")
    );
    let asked = &api.asked()[0];
    assert_eq!(asked.line, "POST /2010-04-01/Accounts/AC1/Messages.json");
    assert_eq!(asked.headers["authorization"], "Basic QUMxOnMzY3JldA==");
    assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
    let form: BTreeMap<_, _> = form_urlencoded::parse(&asked.body).into_owned().collect();
    let expected = [
        ("Body", sms("one").text),
        ("From", "+15005550006".to_owned()),
        (
            "StatusCallback",
            "https://stoa.example/callbacks/twilio?x=1".to_owned(),
        ),
        ("To", "+15005550001".to_owned()),
    ];
    assert_eq!(
        form,
        expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    );
    assert!(!sender.is_folder() && sender.dev_pages().unwrap().is_none());
}

#[tokio::test]
async fn numbers_that_cannot_be_reached_are_refused_and_break_nothing() {
    let (api, sender) = api().await;
    for code in [21211, 21610, 21614].repeat(4) {
        let problem =
            json!({ "code": code, "message": "The number +15005550001 is not valid", "status": 400 });
        api.next(Answer::new(400, problem));
        let Err(SendError::Refused(why)) = sender.send(&sms("one")).await else {
            panic!("{code} was not refused")
        };
        assert!(
            why.contains(&code.to_string()) && !why.contains("15005550001"),
            "{why}"
        );
    }
    assert!(sender.send(&sms("one")).await.is_ok());
}

#[tokio::test]
async fn a_mistake_in_the_settings_is_tried_again_and_a_wrong_message_is_not() {
    let (api, sender) = api().await;
    for (status, code) in [(401, 20003), (400, 21606), (404, 20404)] {
        api.next(Answer::new(status, json!({ "code": code, "message": "no" })));
        let sent = sender.send(&sms("one")).await;
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
    api.next(Answer::new(
        400,
        json!({ "code": 21617, "message": "The body is too long" }),
    ));
    assert!(matches!(
        sender.send(&sms("one")).await,
        Err(SendError::Permanent(_))
    ));
    api.next(Answer::new(400, "<html>"));
    assert!(matches!(
        sender.send(&sms("one")).await,
        Err(SendError::Permanent(_))
    ));
}

#[tokio::test]
async fn a_second_account_takes_what_the_first_cannot() {
    let (first, second) = (FakeApi::start(taken()).await, FakeApi::start(taken()).await);
    let mut config = at(&first);
    config.fallback_urls = vec![at(&second).url];
    let sender = opened(&config, "unused".into()).unwrap();
    first.next(
        Answer::new(429, json!({ "code": 20429, "message": "Too many requests" })).with("retry-after", "60"),
    );
    for id in ["one", "two"] {
        assert_eq!(sender.send(&sms(id)).await.unwrap().provider, "127.0.0.1#2");
    }
    assert_eq!((first.asked().len(), second.asked().len()), (1, 2));
}

#[tokio::test]
async fn an_answer_that_was_lost_may_have_been_a_message_that_was_sent() {
    let api = FakeApi::start(Answer::new(0, "")).await;
    let mut config = at(&api);
    config.timeout = Period(Duration::from_millis(200));
    let sent = opened(&config, "unused".into()).unwrap().send(&sms("one")).await;
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
}

#[test]
fn a_callback_is_believed_by_the_token_of_an_account_and_the_address_of_the_settings() {
    // Form and signature of the tests of Twilio's own client for Python.
    let body =
        b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    let callback = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let sender = |url: &str, callback: &str| {
        let mut config = config(url);
        config.callback_url = callback.to_owned();
        opened(&config, tempfile::TempDir::new().unwrap().path().join("sms")).unwrap()
    };
    let by_token = "twilio://AC1:12345@api.twilio.com?from=Stoa";
    let by_key = "twilio://SK1:s3cret@api.twilio.com?account=AC1&auth_token=12345&from=Stoa";
    for url in [by_token, by_key] {
        assert!(sender(url, callback).verifies(body, signature), "{url}");
    }
    for (url, callback) in [
        ("", callback),
        (by_token, ""),
        (by_token, "https://mycompany.com/other"),
        ("twilio://AC1:12346@api.twilio.com?from=Stoa", callback),
    ] {
        assert!(
            !sender(url, callback).verifies(body, signature),
            "{url} {callback}"
        );
    }
}
