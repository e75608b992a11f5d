//! The second factor.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};
use totp_rs::{Builder, Secret};

use crate::{App, PASSWORD, SignedIn, audited, auth, login, register, text, value};

const TOTP: &str = "/api/v1/auth/totp";

/// The code that an authenticator app shows, so many steps from now.
fn code(app: &TestApp, secret: &str, steps: i64) -> String {
    let secret = Secret::try_from_base32(secret).unwrap();
    let totp = Builder::new().with_secret(secret).build_noncompliant();
    let at = app.clock().now().as_second() + 30 * steps;
    totp.generate(u64::try_from(at).unwrap()).to_string()
}

pub(crate) fn wrong(app: &TestApp, secret: &str) -> String {
    let right: Vec<_> = (-1..=1).map(|step| code(app, secret, step)).collect();
    (0..)
        .map(|n| format!("{n:06}"))
        .find(|code| !right.contains(code))
        .unwrap()
}

fn step(app: &TestApp) {
    app.clock().advance(Duration::from_secs(30));
}

async fn begin(app: &TestApp, by: &SignedIn, password: &str) -> Answer {
    app.post(TOTP)
        .bearer(&by.access)
        .json(&json!({ "password": password }))
        .send()
        .await
}

async fn confirm(app: &TestApp, by: &SignedIn, code: &str) -> Answer {
    app.post(&format!("{TOTP}/confirm"))
        .bearer(&by.access)
        .json(&json!({ "code": code }))
        .send()
        .await
}

async fn state(app: &TestApp, by: &SignedIn) -> Value {
    app.get(TOTP).bearer(&by.access).send().await.expect(200).value()
}

async fn login_with(app: &TestApp, code: &str) -> Answer {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD, "totp": code });
    app.post("/api/v1/auth/login").json(&body).send().await
}

fn codes(answer: &Answer) -> Vec<String> {
    answer.value()["recovery_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect()
}

/// Somebody with a second factor: their secret and their recovery codes. The code that confirmed it is of the step before.
pub(crate) async fn enrolled(app: &TestApp, by: &SignedIn) -> (String, Vec<String>) {
    let secret = text(&begin(app, by, PASSWORD).await.expect(200).value()["secret"]);
    let answer = confirm(app, by, &code(app, &secret, 0)).await.expect(200);
    step(app);
    (secret, codes(&answer))
}

pub(crate) fn current(app: &TestApp, secret: &str) -> String {
    code(app, secret, 0)
}

#[db_test]
async fn it_is_asked_for_once_it_is_confirmed(app: App) {
    let ada = register(&app, "ada@example.org").await;
    assert_eq!(
        state(&app, &ada).await,
        json!({ "enabled": false, "recovery_codes_left": 0 })
    );
    assert_problem(&confirm(&app, &ada, "123456").await, 409, "totp_not_enabled", &[]);
    assert_problem(
        &begin(&app, &ada, "wrong").await,
        422,
        "invalid_input",
        &["password"],
    );

    let setup = begin(&app, &ada, PASSWORD).await.expect(200);
    assert_eq!(setup.header("cache-control"), Some("no-store"));
    let url = text(&setup.value()["otpauth_url"]);
    assert!(url.starts_with("otpauth://totp/Stoa:ada%40example"), "{url}");
    login(&app, "ada@example.org", PASSWORD).await.expect(200);

    let again = begin(&app, &ada, PASSWORD).await.expect(200).value();
    let (old, secret) = (text(&setup.value()["secret"]), text(&again["secret"]));
    assert_ne!(old, secret);
    let answer = confirm(&app, &ada, &wrong(&app, &secret)).await;
    assert_problem(&answer, 422, "invalid_input", &["code"]);
    let recovery = codes(&confirm(&app, &ada, &code(&app, &secret, 0)).await.expect(200));
    assert_eq!(recovery.len(), 10);
    assert_eq!(
        state(&app, &ada).await,
        json!({ "enabled": true, "recovery_codes_left": 10 })
    );
    assert_problem(&begin(&app, &ada, PASSWORD).await, 409, "totp_enabled", &[]);
    assert_problem(
        &confirm(&app, &ada, &code(&app, &secret, 1)).await,
        409,
        "totp_enabled",
        &[],
    );

    assert_problem(
        &login(&app, "ada@example.org", PASSWORD).await,
        401,
        "totp_required",
        &[],
    );
    assert_problem(
        &login(&app, "ada@example.org", "wrong").await,
        401,
        "invalid_credentials",
        &[],
    );
    assert_problem(
        &login_with(&app, &wrong(&app, &secret)).await,
        401,
        "totp_wrong",
        &[],
    );
    let used = code(&app, &secret, 0);
    assert_problem(&login_with(&app, &used).await, 401, "totp_wrong", &[]); // It confirmed the set-up.
    login_with(&app, &code(&app, &secret, 1)).await.expect(200);
    let log = audited(&app).await;
    assert_eq!(log.iter().filter(|action| *action == "totp.enable").count(), 1);
}

#[db_test]
async fn a_code_works_once_and_for_a_minute_and_a_half(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (secret, _) = enrolled(&app, &ada).await;
    step(&app);
    step(&app);
    for out in [-2, 2] {
        assert_problem(
            &login_with(&app, &code(&app, &secret, out)).await,
            401,
            "totp_wrong",
            &[],
        );
    }
    login_with(&app, &code(&app, &secret, -1)).await.expect(200);
    let now = code(&app, &secret, 0);
    let (front, back) = now.split_at(3);
    login_with(&app, &format!(" {front} {back}")).await.expect(200);
    assert_problem(&login_with(&app, &now).await, 401, "totp_wrong", &[]);
    assert_problem(
        &login_with(&app, &code(&app, &secret, -1)).await,
        401,
        "totp_wrong",
        &[],
    );
    login_with(&app, &code(&app, &secret, 1)).await.expect(200);
    step(&app);
    assert_problem(
        &login_with(&app, &code(&app, &secret, 0)).await,
        401,
        "totp_wrong",
        &[],
    );
}

#[db_test]
async fn of_many_with_one_code_one_signs_in(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (secret, recovery) = enrolled(&app, &ada).await;
    for code in [code(&app, &secret, 0), recovery[0].clone()] {
        let all = futures::future::join_all((0..6).map(|_| login_with(&app, &code))).await;
        let mut statuses: Vec<_> = all.iter().map(Answer::status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401, 401, 401], "{code}");
    }
}

#[db_test]
async fn a_recovery_code_works_once_however_it_is_typed(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (_, recovery) = enrolled(&app, &ada).await;
    login_with(&app, &recovery[3]).await.expect(200);
    assert_problem(&login_with(&app, &recovery[3]).await, 401, "totp_wrong", &[]);
    login_with(&app, &recovery[4].to_uppercase().replace('-', " "))
        .await
        .expect(200);
    assert_eq!(state(&app, &ada).await["recovery_codes_left"], 8);
    assert_problem(
        &login_with(&app, "0000-0000-0000-0000").await,
        401,
        "totp_wrong",
        &[],
    );
    let log = audited(&app).await;
    assert_eq!(
        log.iter().filter(|action| *action == "recovery_code.use").count(),
        2
    );

    let bob = register(&app, "bob@example.org").await;
    let (_, bobs) = enrolled(&app, &bob).await;
    assert_problem(&login_with(&app, &bobs[0]).await, 401, "totp_wrong", &[]);
}

#[db_test]
async fn new_recovery_codes_end_the_old_ones(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let renew = async |password: &str, code: &str| {
        let body = json!({ "password": password, "code": code });
        app.post(&format!("{TOTP}/recovery-codes"))
            .bearer(&ada.access)
            .json(&body)
            .send()
            .await
    };
    assert_problem(&renew(PASSWORD, "123456").await, 409, "totp_not_enabled", &[]);
    let (secret, old) = enrolled(&app, &ada).await;
    assert_problem(
        &renew("wrong", &code(&app, &secret, 0)).await,
        422,
        "invalid_input",
        &["password"],
    );
    assert_problem(
        &renew(PASSWORD, &wrong(&app, &secret)).await,
        422,
        "invalid_input",
        &["code"],
    );
    assert_problem(&renew(PASSWORD, "").await, 422, "invalid_input", &["code"]);
    let new = codes(&renew(PASSWORD, &code(&app, &secret, 0)).await.expect(200));
    assert_problem(
        &renew(PASSWORD, &code(&app, &secret, 0)).await,
        422,
        "invalid_input",
        &["code"],
    );
    assert_problem(&login_with(&app, &old[0]).await, 401, "totp_wrong", &[]);
    login_with(&app, &new[0]).await.expect(200);
    assert_eq!(state(&app, &ada).await["recovery_codes_left"], 9);
}

#[db_test]
async fn it_goes_only_by_both_factors(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (secret, recovery) = enrolled(&app, &ada).await;
    let remove = async |password: &str, code: &str| {
        let body = json!({ "password": password, "code": code });
        app.delete(TOTP).bearer(&ada.access).json(&body).send().await
    };
    assert_problem(
        &remove("wrong", &code(&app, &secret, 0)).await,
        422,
        "invalid_input",
        &["password"],
    );
    assert_problem(
        &remove(PASSWORD, &wrong(&app, &secret)).await,
        422,
        "invalid_input",
        &["code"],
    );
    remove(PASSWORD, &recovery[0]).await.expect(204);
    assert_problem(
        &remove(PASSWORD, &recovery[1]).await,
        409,
        "totp_not_enabled",
        &[],
    );
    assert_eq!(
        state(&app, &ada).await,
        json!({ "enabled": false, "recovery_codes_left": 0 })
    );
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM recovery_codes").await, 0);
    enrolled(&app, &ada).await;
    assert_problem(&login_with(&app, &recovery[2]).await, 401, "totp_wrong", &[]);
}

#[db_test]
async fn neither_secret_nor_codes_are_in_the_database(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (secret, recovery) = enrolled(&app, &ada).await;
    let sealed: Vec<u8> = value(&app, "SELECT secret FROM totp").await;
    let clear = Secret::try_from_base32(&secret).unwrap();
    assert_eq!(sealed.len(), 12 + 20 + 16);
    assert!(
        !sealed
            .windows(8)
            .any(|window| clear.as_bytes().windows(8).any(|part| part == window))
    );
    let hashes: Vec<Vec<u8>> = app
        .db()
        .fetch_all("SELECT hash FROM recovery_codes", &[])
        .await
        .unwrap();
    assert!(
        hashes
            .iter()
            .all(|hash| hash.len() == 32 && !recovery.iter().any(|code| code.as_bytes() == hash))
    );
    let key = app.env().data_dir.join("keys/secrets.key");
    assert_eq!(std::fs::read(&key).unwrap().len(), 32);

    // A row of another account's is of no use.
    let bob = register(&app, "bob@example.org").await;
    let (bobs, _) = enrolled(&app, &bob).await;
    let mut tx = app.db().begin().await.unwrap();
    let copy = "UPDATE totp SET secret = (SELECT secret FROM totp WHERE user_id = $2) WHERE user_id = $1";
    tx.execute(copy, &[&ada.id, &bob.id]).await.unwrap();
    tx.commit().await.unwrap();
    assert_problem(
        &login_with(&app, &code(&app, &bobs, 0)).await,
        500,
        "internal",
        &[],
    );
}

mod limited {
    use super::*;

    stoa_testkit::app!(
        App,
        auth(|config| config.rate_limit.login_per_account = "3/h".parse().unwrap())
    );

    #[db_test]
    async fn codes_are_guessed_only_so_often(app: App) {
        let ada = register(&app, "ada@example.org").await;
        let (secret, _) = enrolled(&app, &ada).await;
        for _ in 0..3 {
            assert_problem(
                &login_with(&app, &wrong(&app, &secret)).await,
                401,
                "totp_wrong",
                &[],
            );
        }
        assert_problem(
            &login_with(&app, &code(&app, &secret, 0)).await,
            429,
            "rate_limited",
            &[],
        );
        let body = json!({ "password": PASSWORD, "code": code(&app, &secret, 0) });
        let remove = app.delete(TOTP).bearer(&ada.access).json(&body);
        assert_problem(&remove.send().await, 429, "rate_limited", &[]);
    }

    #[db_test]
    async fn a_set_up_is_confirmed_only_so_often(app: App) {
        let ada = register(&app, "ada@example.org").await;
        let secret = text(&begin(&app, &ada, PASSWORD).await.expect(200).value()["secret"]);
        for _ in 0..3 {
            assert_problem(
                &confirm(&app, &ada, &wrong(&app, &secret)).await,
                422,
                "invalid_input",
                &["code"],
            );
        }
        assert_problem(
            &confirm(&app, &ada, &code(&app, &secret, 0)).await,
            429,
            "rate_limited",
            &[],
        );
    }
}
