//! Getting an account back from somebody who has, or had, a hold on it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stoa_auth_api::{KeyClient, events::CredentialsRevoked};
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{
    PASSWORD, SignedIn,
    admin::{give, root, sign_in},
    api_keys::make,
    auth,
    grants::grant,
    login, mailed_token, me, refresh, register,
    totp::{current, enrolled},
    value,
};

stoa_testkit::app!(
    App,
    auth(|_| {}).keys(|directory, cache| Arc::new(KeyClient::new(directory, cache)))
);

const NEW: &str = "another good one";

async fn works(app: &TestApp, key: &str) -> bool {
    app.get("/api/v1/auth/me").api_key(key).send().await.status() == 200
}

/// Chooses a new password by mail; `more` is what the request says beside it.
async fn reset(app: &TestApp, more: Value) -> Answer {
    let body = json!({ "email": "ada@example.org" });
    app.post("/api/v1/auth/password/reset")
        .json(&body)
        .send()
        .await
        .expect(202);
    let mut body = json!({ "token": mailed_token(app, "new password").await, "new_password": NEW });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let path = "/api/v1/auth/password/reset/confirm";
    app.post(path).json(&body).send().await
}

async fn change(app: &TestApp, by: &SignedIn, more: Value) -> Answer {
    let mut body = json!({ "current_password": PASSWORD, "new_password": NEW });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let call = app.post("/api/v1/auth/password/change").bearer(&by.access);
    call.json(&body).send().await
}

async fn verify(app: &TestApp) {
    let body = json!({ "token": mailed_token(app, "Verify").await, "password": PASSWORD });
    app.post("/api/v1/auth/email/verify")
        .json(&body)
        .send()
        .await
        .expect(204);
}

async fn told(app: &TestApp, subject: &str) -> usize {
    app.settle().await;
    let mails = app.mails().await;
    mails.iter().filter(|mail| mail.subject.contains(subject)).count()
}

/// How often services were asked to end what works without a session.
async fn revocations(app: &TestApp) -> usize {
    app.emitted::<CredentialsRevoked>().await.len()
}

#[db_test]
async fn a_reset_ends_the_api_keys_of_whoever_had_the_account(app: App) {
    let ada = register(&app, "ada@example.org").await;
    verify(&app).await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    assert!(works(&app, &key).await);
    reset(&app, json!({})).await.expect(204);
    assert!(!works(&app, &key).await, "at once, in this process");
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM api_keys").await, 0);
    assert_eq!(told(&app, "API keys for Stoa were removed").await, 1);
    assert_eq!(told(&app, "password for Stoa was changed").await, 1);
    assert_eq!(revocations(&app).await, 1, "services end theirs");
}

#[db_test]
async fn a_reset_leaves_what_its_owner_wishes_to_keep(app: App) {
    let ada = register(&app, "ada@example.org").await;
    verify(&app).await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    let (secret, _) = enrolled(&app, &ada).await;
    reset(&app, json!({ "keep_api_keys": true })).await.expect(204);
    assert!(works(&app, &key).await);
    assert_eq!(revocations(&app).await, 0);
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_invalid", &[]);
    // A mailbox alone is no second factor.
    assert_problem(
        &login(&app, "ada@example.org", NEW).await,
        401,
        "totp_required",
        &[],
    );
    let body = json!({ "email": "ada@example.org", "password": NEW, "totp": current(&app, &secret) });
    app.post("/api/v1/auth/login")
        .json(&body)
        .send()
        .await
        .expect(200);
}

#[db_test]
async fn nothing_of_a_squatter_outlives_the_reset_of_an_address_that_was_never_verified(app: App) {
    let root = root(&app).await;
    let squatter = register(&app, "ada@example.org").await;
    give(&app, &root, squatter.id, "admin").await.expect(204);
    let squatter = sign_in(&app, "ada@example.org").await;
    let accomplice = register(&app, "eve@example.org").await;
    let file = Id::<()>::new(app.clock()).uuid();
    grant(&app, &squatter, accomplice.id, "files.read", "file", file)
        .await
        .expect(201);
    let (_, key) = make(&app, &squatter, &["account.read"]).await;
    enrolled(&app, &squatter).await;

    reset(&app, json!({ "keep_api_keys": true })).await.expect(204);
    assert!(!works(&app, &key).await);
    assert_problem(&me(&app, &squatter.access).await, 401, "token_revoked", &[]);
    assert_problem(
        &refresh(&app, &squatter.refresh).await,
        401,
        "refresh_invalid",
        &[],
    );
    login(&app, "ada@example.org", NEW).await.expect(200);
    let left: i64 = value(
        &app,
        "SELECT (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM totp) + (SELECT count(*) FROM recovery_codes) \
         + (SELECT count(*) FROM grants)",
    )
    .await;
    assert_eq!(left, 0);
    assert_eq!(told(&app, "second factor for Stoa was removed").await, 1);
}

#[db_test]
async fn nothing_of_a_squatter_outlives_the_reset_of_an_address_whose_owner_followed_the_link(app: App) {
    let squatter = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &squatter, &["account.read"]).await;
    enrolled(&app, &squatter).await;
    let body = json!({ "token": mailed_token(&app, "Verify").await });
    let answer = app.post("/api/v1/auth/email/verify").json(&body).send().await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    let seen = me(&app, &squatter.access).await.expect(200).value();
    assert_eq!(
        seen["email_verified"], false,
        "the owner does not know the password"
    );

    reset(&app, json!({ "keep_api_keys": true })).await.expect(204);
    assert!(!works(&app, &key).await);
    assert_eq!(told(&app, "second factor for Stoa was removed").await, 1);
    assert_problem(&me(&app, &squatter.access).await, 401, "token_revoked", &[]);
    login(&app, "ada@example.org", NEW).await.expect(200);
}

#[db_test]
async fn who_verifies_an_address_keeps_what_they_set_up(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    enrolled(&app, &ada).await;
    verify(&app).await;
    assert!(works(&app, &key).await);
    assert_problem(
        &login(&app, "ada@example.org", PASSWORD).await,
        401,
        "totp_required",
        &[],
    );
}

#[db_test]
async fn a_changed_password_ends_keys_where_its_owner_says_so(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    change(&app, &ada, json!({})).await.expect(204);
    assert!(works(&app, &key).await);
    let body = json!({ "current_password": NEW, "new_password": PASSWORD, "end_api_keys": true });
    let call = app.post("/api/v1/auth/password/change").bearer(&ada.access);
    call.json(&body).send().await.expect(204);
    assert!(!works(&app, &key).await);
    me(&app, &ada.access).await.expect(200);
}

#[db_test]
async fn signing_out_everywhere_ends_keys_where_its_owner_says_so(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["account.read"]).await;
    let everywhere = "/api/v1/auth/sessions";
    app.delete(everywhere)
        .bearer(&ada.access)
        .send()
        .await
        .expect(204);
    assert!(works(&app, &key).await);
    let ada = sign_in(&app, "ada@example.org").await;
    // In a body it would be overlooked.
    let call = app.delete(everywhere).bearer(&ada.access);
    let answer = call.json(&json!({ "end_api_keys": true })).send().await;
    assert_eq!(answer.status(), 422);
    assert!(works(&app, &key).await);
    let path = format!("{everywhere}?end_api_keys=true");
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    assert!(!works(&app, &key).await);
    assert_problem(&me(&app, &ada.access).await, 401, "token_revoked", &[]);
}

#[db_test]
async fn a_new_password_forgets_the_networks_that_others_signed_in_from(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let elsewhere = app
        .post("/api/v1/auth/login")
        .json(&body)
        .from_address("198.51.100.7");
    elsewhere.send().await.expect(200);
    let known = async || value::<i64>(&app, "SELECT count(*) FROM known_networks").await;
    // Each time a network and an address of it.
    assert_eq!(known().await, 4);
    change(&app, &ada, json!({})).await.expect(204);
    assert_eq!(known().await, 2, "the one that the new password came from");
}

#[db_test]
async fn a_second_factor_that_was_begun_before_does_not_outlive_a_new_password(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let begin = async |password: &str| {
        let call = app.post("/api/v1/auth/totp").bearer(&ada.access);
        let begun = call
            .json(&json!({ "password": password }))
            .send()
            .await
            .expect(200);
        crate::text(&begun.value()["secret"])
    };
    let confirm = async |secret: &str| {
        let call = app.post("/api/v1/auth/totp/confirm").bearer(&ada.access);
        call.json(&json!({ "code": current(&app, secret) })).send().await
    };
    let secret = begin(PASSWORD).await;
    change(&app, &ada, json!({})).await.expect(204);
    assert_problem(&confirm(&secret).await, 409, "totp_not_enabled", &[]);

    let secret = begin(NEW).await;
    app.clock().advance(Duration::from_secs(16 * 60));
    assert_problem(&confirm(&secret).await, 409, "totp_not_enabled", &[]);
}

#[db_test]
async fn whoever_sets_up_and_removes_a_second_factor_is_told_of_to_the_owner(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (secret, _) = enrolled(&app, &ada).await;
    assert_eq!(told(&app, "second factor was set up").await, 1);
    let body = json!({ "password": PASSWORD, "code": current(&app, &secret) });
    app.delete("/api/v1/auth/totp")
        .bearer(&ada.access)
        .json(&body)
        .send()
        .await
        .expect(204);
    assert_eq!(told(&app, "second factor for Stoa was removed").await, 1);
}

/// A key that is on its way while the password is reset either is not made, or ends with the others.
#[db_test]
async fn no_key_slips_through_a_reset(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let body = json!({ "email": "ada@example.org" });
    app.post("/api/v1/auth/password/reset")
        .json(&body)
        .send()
        .await
        .expect(202);
    let token = mailed_token(&app, "new password").await;
    let making = async || {
        let body = json!({ "name": "x", "scopes": ["account.read"], "password": PASSWORD });
        let call = app.post("/api/v1/auth/api-keys").bearer(&ada.access);
        call.json(&body).send().await.status()
    };
    let resetting = async || {
        let body = json!({ "token": token, "new_password": NEW });
        let path = "/api/v1/auth/password/reset/confirm";
        app.post(path).json(&body).send().await.expect(204);
    };
    futures::future::join(futures::future::join_all((0..6).map(|_| making())), resetting()).await;
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM api_keys").await, 0);
}
