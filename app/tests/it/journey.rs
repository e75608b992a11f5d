//! The first journey of a newcomer, on the real program.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::stoa::{PASSWORD, Stoa, folder, token};

#[tokio::test(flavor = "multi_thread")]
async fn register_log_in_see_the_profile_restart_and_it_is_all_still_there() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);

    let registered = stoa.register("ada@example.com").await;
    assert_eq!(registered["token_type"], "Bearer");
    assert_eq!(registered["expires_in"], 3600);
    assert_eq!(registered["user"]["email"], "ada@example.com");

    // Right after registering, without waiting for the event.
    let me = stoa.get("/api/v1/users/me", token(&registered)).await;
    assert_eq!(me.status(), 200);

    let login = stoa.login("ada@example.com").await;
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
    assert!(stoa.terminate().success(), "SIGTERM ends with exit code 0");

    let stoa = Stoa::serve(&data_dir);
    let again = stoa.login("ada@example.com").await;
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
async fn named_profile(stoa: &Stoa, token: &str) -> Value {
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
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let registered = stoa.register("grace@example.com").await;
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
    let stoa = Stoa::serve(&data_dir);
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
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    stoa.register("edsger@example.com").await;
    let asked = stoa
        .post(
            "/api/v1/auth/password/reset",
            json!({"email": "edsger@example.com"}),
        )
        .await;
    assert_eq!(asked.status(), 202);
    let secret = mailed_token(&stoa, "reset?token=").await;
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
            json!({"email": "edsger@example.com", "password": PASSWORD}),
        )
        .await;
    assert_eq!(old.status(), 401);
    let new = stoa
        .post(
            "/api/v1/auth/login",
            json!({"email": "edsger@example.com", "password": "another horse battery"}),
        )
        .await;
    assert_eq!(new.status(), 200);
}

/// What follows `marker` in the newest mail that has it.
async fn mailed_token(stoa: &Stoa, marker: &str) -> String {
    for _ in 0..100 {
        let mails = stoa
            .request(Method::GET, "/dev/mail?format=json")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if let Some((_, rest)) = mails.split_once(marker) {
            return rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no mail with {marker} within 5 s");
}
