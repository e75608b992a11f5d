//! The first journey of a newcomer, and what a restart keeps.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{System, email};
use crate::stoa::{Caller, PASSWORD, token};

#[tokio::test(flavor = "multi_thread")]
async fn register_log_in_see_the_profile_restart_and_it_is_all_still_there() {
    let mut stoa = System::start_alone().await;
    let ada = email("ada");
    let registered = stoa.register(&ada).await;
    assert_eq!(registered["token_type"], "Bearer");
    assert_eq!(registered["expires_in"], 3600);
    assert_eq!(registered["user"]["email"], ada);

    // Right after registering, without waiting for the event.
    let me = stoa.get("/api/v1/users/me", token(&registered)).await;
    assert_eq!(me.status(), 200);

    let login = stoa.login(&ada).await;
    let saved = stoa
        .request(Method::PUT, "/api/v1/users/me/preferences/theme")
        .bearer_auth(token(&login))
        .json(&json!({"value": "dark"}))
        .send()
        .await
        .unwrap();
    assert_eq!(saved.status(), 200);
    let profile = named_profile(&stoa, token(&login)).await;
    assert_eq!(profile["user_id"], registered["user"]["id"]);
    stoa.restart();
    let again = stoa.login(&ada).await;
    let me: Value = stoa
        .get("/api/v1/users/me", token(&again))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(me, profile);
    let theme: Value = stoa
        .get("/api/v1/users/me/preferences/theme", token(&again))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(theme["value"], "dark");
    // Tokens from before the restart go on working: the signing key was kept.
    assert_eq!(stoa.get("/api/v1/users/me", token(&login)).await.status(), 200);
}

/// The profile, once the event has given it its names.
async fn named_profile(stoa: &Caller, token: &str) -> Value {
    for _ in 0..100 {
        let me: Value = stoa.get("/api/v1/users/me", token).await.json().await.unwrap();
        if me["first_name"] == "Ada" && me["last_name"] == "Lovelace" {
            return me;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the profile did not get its names from user.registered within 5 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_revoked_is_refused_within_a_second_also_after_a_restart() {
    let mut stoa = System::start_alone().await;
    let registered = stoa.register(&email("grace")).await;
    let left = stoa
        .request(Method::POST, "/api/v1/auth/logout")
        .bearer_auth(token(&registered))
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), 204);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        stoa.get("/api/v1/users/me", token(&registered)).await.status(),
        401
    );
    stoa.kill();
    assert_eq!(
        stoa.get("/api/v1/users/me", token(&registered)).await.status(),
        401
    );
    let refreshed = stoa
        .post(
            "/api/v1/auth/refresh",
            json!({"refresh_token": registered["refresh_token"]}),
        )
        .await;
    assert_eq!(refreshed.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_the_mail_that_dev_mail_shows() {
    let stoa = System::start().await;
    let edsger = email("edsger");
    stoa.register(&edsger).await;
    let asked = stoa
        .post("/api/v1/auth/password/reset", json!({"email": edsger}))
        .await;
    assert_eq!(asked.status(), 202);
    let secret = mailed_token(&stoa, &edsger, "reset?token=").await;
    let set = stoa
        .post(
            "/api/v1/auth/password/reset/confirm",
            json!({"token": secret, "new_password": "another horse battery"}),
        )
        .await;
    assert_eq!(set.status(), 204);
    let old = stoa
        .post(
            "/api/v1/auth/login",
            json!({"email": edsger, "password": PASSWORD}),
        )
        .await;
    assert_eq!(old.status(), 401);
    let new = stoa
        .post(
            "/api/v1/auth/login",
            json!({"email": edsger, "password": "another horse battery"}),
        )
        .await;
    assert_eq!(new.status(), 200);
}

/// The mails to `to`, newest first.
pub(super) async fn mails_to(stoa: &System, to: &str) -> Vec<Value> {
    let key = std::fs::read_to_string(stoa.mails().join("dev-mail.key")).unwrap();
    let path = format!("/dev/mail?format=json&key={}", key.trim());
    let mailbox: Value = stoa.mailbox().look(&path).await.json().await.unwrap();
    let mails = mailbox["items"].as_array().unwrap().iter();
    mails.filter(|mail| mail["to"] == to).cloned().collect()
}

/// What follows `marker` in a mail to `to`.
pub(super) async fn mailed_token(stoa: &System, to: &str, marker: &str) -> String {
    for _ in 0..100 {
        let mails = mails_to(stoa, to).await;
        let text = mails
            .iter()
            .find_map(|mail| mail["text"].as_str()?.split_once(marker));
        if let Some((_, rest)) = text {
            return rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no mail to {to} with {marker} within 5 s");
}
