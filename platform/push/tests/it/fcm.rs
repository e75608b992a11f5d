use std::process::Command;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};
use stoa_providers::testing::{Answer, FakeApi};
use stoa_push::{Cause, PushAddress, PushSender, SendError, VapidKey};
use tempfile::TempDir;
use url::form_urlencoded;

use crate::{config, opened, push};

struct Firebase {
    api: FakeApi,
    tokens: FakeApi,
    sender: PushSender,
    folder: TempDir,
}

fn access() -> Answer {
    Answer::new(
        200,
        json!({ "access_token": "ya29.one", "expires_in": 3599, "token_type": "Bearer" }),
    )
}

fn taken() -> Answer {
    Answer::new(200, json!({ "name": "projects/shop-1/messages/0:17" }))
}

fn openssl(folder: &TempDir, arguments: &[&str]) -> String {
    let done = Command::new("openssl")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

async fn firebase() -> Firebase {
    let folder = TempDir::new().unwrap();
    openssl(
        &folder,
        &[
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
            "-out",
            "key.pem",
        ],
    );
    let (api, tokens) = (FakeApi::start(taken()).await, FakeApi::start(access()).await);
    let account = json!({
        "type": "service_account",
        "project_id": "shop-1",
        "private_key_id": "k1",
        "private_key": std::fs::read_to_string(folder.path().join("key.pem")).unwrap(),
        "client_email": "push@shop-1.iam.example",
        "token_uri": format!("http://{}/token", tokens.address()),
    });
    std::fs::write(folder.path().join("account.json"), account.to_string()).unwrap();
    let mut config = config();
    config.fcm_service_account = folder.path().join("account.json");
    config.fcm_url = format!("http://{}/", api.address());
    let sender = opened(&config).unwrap();
    Firebase {
        api,
        tokens,
        sender,
        folder,
    }
}

impl Firebase {
    async fn send(&self) -> Result<String, SendError> {
        let key = VapidKey::generate().unwrap().1;
        let to = PushAddress::Fcm("phone-1:APA91b".to_owned());
        let receipt = self.sender.send(&key, &to, &push()).await?;
        assert_eq!(receipt.provider, "fcm");
        Ok(receipt.id)
    }
}

fn problem(status: u16, words: &str, details: Value) -> Answer {
    let error = json!({ "error": { "code": status, "message": "no", "status": words, "details": details } });
    Answer::new(status, error)
}

fn fcm_error(code: &str) -> Value {
    json!([{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code }])
}

#[tokio::test]
async fn a_message_is_handed_over_whole_with_a_token_that_is_asked_for_once() {
    let firebase = firebase().await;
    assert!(firebase.sender.has_fcm());
    for _ in 0..3 {
        assert_eq!(firebase.send().await.unwrap(), "projects/shop-1/messages/0:17");
    }
    assert_eq!(
        (firebase.tokens.asked().len(), firebase.api.asked().len()),
        (1, 3)
    );
    let asked = &firebase.api.asked()[0];
    assert_eq!(asked.line, "POST /v1/projects/shop-1/messages:send");
    assert_eq!(asked.headers["authorization"], "Bearer ya29.one");
    let mut body: Value = serde_json::from_slice(&asked.body).unwrap();
    let expires = body["message"]["apns"]["headers"]["apns-expiration"].take();
    assert!(expires.as_str().unwrap().parse::<i64>().unwrap() > 1_700_000_000);
    let expected = json!({ "message": {
        "token": "phone-1:APA91b",
        "notification": { "title": "Grüße", "body": "Your order has left." },
        "data": { "id": "n1", "type": "order.shipped", "order": "1", "url": "https://stoa.example/orders/1" },
        "android": { "ttl": "3600s", "priority": "high", "collapse_key": "order-1" },
        "apns": { "headers": { "apns-priority": "10", "apns-expiration": null, "apns-collapse-id": "order-1" } },
    } });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_token_is_asked_for_by_a_signature_of_the_account() {
    let firebase = firebase().await;
    firebase.send().await.unwrap();
    let form: Vec<(String, String)> = form_urlencoded::parse(&firebase.tokens.asked()[0].body)
        .into_owned()
        .collect();
    assert_eq!(
        form[0],
        (
            "grant_type".to_owned(),
            "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()
        )
    );
    let (signed, signature) = form[1].1.rsplit_once('.').unwrap();
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let modulus = openssl(&firebase.folder, &["rsa", "-in", "key.pem", "-noout", "-modulus"]);
    let modulus = modulus
        .trim()
        .strip_prefix("Modulus=")
        .unwrap()
        .as_bytes()
        .chunks(2);
    let modulus: Vec<u8> = modulus
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    RsaPublicKeyComponents {
        n: modulus,
        e: vec![1, 0, 1],
    }
    .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature))
    .unwrap();
    let claims: Value = serde_json::from_slice(&decode(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(claims["iss"], "push@shop-1.iam.example");
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/firebase.messaging"
    );
    assert_eq!(
        claims["aud"],
        format!("http://{}/token", firebase.tokens.address())
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3600
    );
}

#[tokio::test]
async fn a_phone_without_the_app_is_gone_and_others_get_their_messages() {
    let firebase = firebase().await;
    let wrong_token = json!([{ "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{ "field": "message.token", "description": "Invalid registration token" }] }]);
    for answer in [
        problem(404, "NOT_FOUND", fcm_error("UNREGISTERED")),
        problem(403, "PERMISSION_DENIED", fcm_error("SENDER_ID_MISMATCH")),
        problem(400, "INVALID_ARGUMENT", wrong_token),
    ] {
        for _ in 0..3 {
            firebase.api.next(answer.clone());
            let sent = firebase.send().await;
            assert!(matches!(sent, Err(SendError::Gone(_))), "{sent:?}");
        }
    }
    firebase.send().await.unwrap();
    firebase
        .api
        .next(problem(400, "INVALID_ARGUMENT", fcm_error("INVALID_ARGUMENT")));
    assert!(matches!(firebase.send().await, Err(SendError::Permanent(_))));
}

#[tokio::test]
async fn a_busy_api_is_tried_again_later() {
    let firebase = firebase().await;
    firebase
        .api
        .next(problem(429, "RESOURCE_EXHAUSTED", fcm_error("QUOTA_EXCEEDED")).with("retry-after", "60"));
    let sent = firebase.send().await;
    let Err(SendError::Transient {
        retry_after: Some(wait),
        cause: Cause::Recipient,
        ..
    }) = sent
    else {
        panic!("{sent:?}")
    };
    assert_eq!(wait.as_secs(), 60);
    for answer in [
        problem(503, "UNAVAILABLE", fcm_error("UNAVAILABLE")),
        problem(404, "NOT_FOUND", json!([])),
        problem(403, "PERMISSION_DENIED", json!([])),
    ] {
        firebase.api.next(answer);
        let sent = firebase.send().await;
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
    firebase.send().await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_withdrawn_is_asked_for_anew() {
    let firebase = firebase().await;
    firebase.send().await.unwrap();
    firebase.api.next(problem(401, "UNAUTHENTICATED", json!([])));
    // The one before is just a moment old: it is not asked for again at once.
    let sent = firebase.send().await;
    assert!(sent.is_ok(), "{sent:?}");
    firebase.api.otherwise(problem(401, "UNAUTHENTICATED", json!([])));
    let sent = firebase.send().await;
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
    assert_eq!(firebase.tokens.asked().len(), 1);
}

#[tokio::test]
async fn without_an_access_token_nothing_is_sent() {
    let firebase = firebase().await;
    firebase.tokens.otherwise(Answer::new(
        400,
        json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." }),
    ));
    let Err(SendError::Transient { why, .. }) = firebase.send().await else {
        panic!("sent")
    };
    assert!(why.contains("invalid_grant Invalid JWT Signature"), "{why}");
    assert!(firebase.api.asked().is_empty());
}

#[tokio::test]
async fn without_an_account_phones_get_nothing() {
    let sender = opened(&config()).unwrap();
    let key = VapidKey::generate().unwrap().1;
    assert!(!sender.has_fcm());
    let sent = sender
        .send(&key, &PushAddress::Fcm("phone-1".to_owned()), &push())
        .await;
    assert!(matches!(sent, Err(SendError::Config(_))), "{sent:?}");
}

#[test]
fn a_file_that_is_no_service_account_is_refused_without_repeating_its_key() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("account.json");
    let account = |project: &str, key: &str| {
        json!({ "project_id": project, "private_key_id": "k", "private_key": key, "client_email": "a@b.example", "token_uri": "https://t.example" })
            .to_string()
    };
    for text in [
        "s3cret".to_owned(),
        json!({ "private_key": "s3cret" }).to_string(),
        account("shop-1", "s3cret"),
        account(
            "shop-1",
            "-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----\n",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let mut config = config();
        config.fcm_service_account = path.clone();
        let error = config.check().unwrap_err().to_string();
        assert!(
            error.starts_with("push.fcm_service_account")
                && !error.contains("s3cret")
                && !error.contains("czNj"),
            "{error}"
        );
    }
    let mut config = config();
    config.fcm_service_account = folder.path().join("nowhere.json");
    assert!(config.check().is_err());
}
