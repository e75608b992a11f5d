//! Keys: shown, rotated, sealed.

use std::time::Duration;

use serde_json::json;
use standardwebhooks::Webhook;
use stoa_db::db_test;
use stoa_kernel::OrganizationRole;
use stoa_testkit::assert_problem;

use crate::helpers::{App, Sink, endpoint, happen, key_of, organization};

#[db_test]
async fn for_a_day_after_a_rotation_both_secrets_sign(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    let old = key_of(&app, &token, &path).await;
    let rotate = async |token: &str, body| {
        app.post(&format!("{path}/rotate"))
            .bearer(token)
            .json(&body)
            .send()
            .await
    };
    rotate(&token, json!({})).await.expect(204);
    let both = key_of(&app, &token, &path).await;
    assert_eq!((both.len(), &both[1]), (2, &old[0]));
    happen(&app, ours).await;
    app.settle().await;
    let request = &sink.received()[0];
    assert_eq!(request.header("webhook-signature").split(' ').count(), 2);
    for key in &both {
        Webhook::new(key)
            .unwrap()
            .verify(&request.body, &request.headers)
            .unwrap();
    }
    app.advance(Duration::from_secs(25 * 3600)).await;
    let token = app.member_token(app.new_user(), ours, OrganizationRole::Admin);
    assert_eq!(key_of(&app, &token, &path).await, both[..1]);
    rotate(&token, json!({"at_once": true})).await.expect(204);
    let new = key_of(&app, &token, &path).await;
    assert_eq!(new.len(), 1);
    assert!(!both.contains(&new[0]));
    for _ in 0..4 {
        rotate(&token, json!({})).await.expect(204);
    }
    assert_problem(&rotate(&token, json!({})).await, 409, "webhook_secrets_full", &[]);
    assert!(app.audited("webhook.read_secret").await.len() >= 4);
}

#[db_test]
async fn a_public_key_is_all_that_a_receiver_is_shown_of_a_pair(app: App) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use ring::signature::{ED25519, UnparsedPublicKey};

    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(
        &app,
        &token,
        ours,
        &sink,
        json!({"events": ["member.*"], "signature": "v1a"}),
    )
    .await;
    happen(&app, ours).await;
    app.settle().await;
    let keys = key_of(&app, &token, &path).await;
    let public = STANDARD.decode(keys[0].strip_prefix("whpk_").unwrap()).unwrap();
    let request = &sink.received()[0];
    let signature = request
        .header("webhook-signature")
        .strip_prefix("v1a,")
        .unwrap()
        .to_owned();
    let id_and_time = format!(
        "{}.{}.",
        request.header("webhook-id"),
        request.header("webhook-timestamp")
    );
    let signed = [id_and_time.as_bytes(), &request.body].concat();
    let key = UnparsedPublicKey::new(&ED25519, public);
    key.verify(&signed, &STANDARD.decode(signature).unwrap()).unwrap();
}

#[db_test]
async fn neither_secrets_nor_the_values_of_headers_are_in_the_database(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let headers = json!({"headers": {"authorization": "Bearer very-secret"}});
    let path = endpoint(&app, &token, ours, &sink, headers).await;
    let shown = app.get(&path).bearer(&token).send().await.expect(200).value();
    assert_eq!(shown["header_names"], json!(["authorization"]));
    assert!(!shown.to_string().contains("very-secret"));
    let kept: Vec<Vec<u8>> = app
        .db()
        .fetch_all("SELECT headers FROM endpoints", &[])
        .await
        .unwrap();
    let sealed: Vec<Vec<u8>> = app
        .db()
        .fetch_all("SELECT sealed FROM signing_secrets", &[])
        .await
        .unwrap();
    for bytes in kept.iter().chain(&sealed) {
        assert!(!bytes.windows(6).any(|window| window == b"very-s"));
    }
}
