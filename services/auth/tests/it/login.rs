//! Signing in.

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{TestApp, assert_problem};

stoa_testkit::app!(
    Narrow,
    crate::auth(|config| {
        config.password.queue = 1;
        config.password.memory_kib = 8192;
        config.rate_limit.login_per_account = "5/h".parse().unwrap();
    })
);

use crate::{App, PASSWORD, SignedIn, audited, login, me, register, value};

async fn keep_hash(app: &TestApp, hash: &str) {
    let mut tx = app.db().begin().await.unwrap();
    tx.execute("UPDATE accounts SET password_hash = $1", &[&hash])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[db_test]
async fn the_answer_does_not_tell_whether_an_account_exists(app: App) {
    register(&app, "ada@example.org").await;
    let wrong = login(&app, "ada@example.org", "wrong password").await;
    let unknown = login(&app, "bob@example.org", "wrong password").await;
    assert_problem(&wrong, 401, "invalid_credentials", &[]);
    let strip = |answer: &stoa_testkit::Answer| {
        let mut body = answer.value();
        body.as_object_mut().unwrap().remove("request_id");
        let mut names: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
        names.sort();
        (answer.status(), body, names)
    };
    assert_eq!(strip(&wrong), strip(&unknown));
    assert_eq!(
        audited(&app)
            .await
            .iter()
            .filter(|action| *action == "session.create_failed")
            .count(),
        2
    );
    let clear: i64 = value(
        &app,
        "SELECT count(*) FROM audit WHERE detail LIKE '%example.org%'",
    )
    .await;
    assert_eq!(clear, 0, "no address is written down in clear");
}

#[db_test]
async fn a_session_says_where_it_comes_from(app: App) {
    register(&app, "ada@example.org").await;
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let call = app
        .post("/api/v1/auth/login")
        .from_address("203.0.113.9")
        .header("user-agent", &"x".repeat(1000));
    let ada = SignedIn::of(&call.json(&body).send().await.expect(200));
    let sessions = app
        .get("/api/v1/auth/sessions")
        .bearer(&ada.access)
        .send()
        .await
        .expect(200)
        .value();
    let newest = &sessions["items"][0];
    assert_eq!(
        (&newest["address"], &newest["current"]),
        (&json!("203.0.113.9"), &json!(true))
    );
    assert_eq!(newest["user_agent"].as_str().unwrap().len(), 256);
    assert_eq!(sessions["items"].as_array().unwrap().len(), 2);
}

#[db_test]
async fn hashes_of_bcrypt_are_accepted_and_upgraded(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let bcrypt = bcrypt::hash(PASSWORD, 4).unwrap();
    keep_hash(&app, &bcrypt.replace("$2b$", "$2y$")).await;
    assert_problem(
        &login(&app, "ada@example.org", "wrong").await,
        401,
        "invalid_credentials",
        &[],
    );
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
    let upgraded: String = value(&app, "SELECT password_hash FROM accounts").await;
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
    assert_eq!(
        value::<String>(&app, "SELECT password_hash FROM accounts").await,
        upgraded,
        "upgraded once"
    );
    me(&app, &ada.access).await.expect(200);
}

#[db_test]
async fn a_hash_of_another_cost_is_made_anew(app: App) {
    register(&app, "ada@example.org").await;
    // Of PASSWORD, with two passes.
    let old = {
        use argon2::{Algorithm, Argon2, Params, Version};
        use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
        let mut out = [0; 32];
        let salt = [7; 16];
        let params = Params::new(64, 2, 1, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(PASSWORD.as_bytes(), &salt, &mut out)
            .unwrap();
        format!(
            "$argon2id$v=19$m=64,t=2,p=1${}${}",
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(out)
        )
    };
    keep_hash(&app, &old).await;
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
    let now: String = value(&app, "SELECT password_hash FROM accounts").await;
    assert!(now.contains("m=64,t=1,p=1"), "{now}");
}

#[db_test]
async fn an_access_token_ends_by_itself(app: App) {
    let ada = register(&app, "ada@example.org").await;
    app.clock().advance(std::time::Duration::from_secs(3601));
    assert_problem(&me(&app, &ada.access).await, 401, "token_expired", &[]);
}

#[db_test]
async fn what_is_no_request_is_refused(app: App) {
    let answer = app
        .post("/api/v1/auth/login")
        .json(&json!({ "email": "a@b.org" }))
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    let answer = app
        .post("/api/v1/auth/login?mode=none")
        .json(&json!({ "email": "a@b.org", "password": "x" }))
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["mode"]);
    let body = json!({ "email": "a@b.org", "password": "x", "totp": "1".repeat(65) });
    assert_problem(
        &app.post("/api/v1/auth/login").json(&body).send().await,
        422,
        "invalid_input",
        &["totp"],
    );
}

#[db_test]
async fn more_than_can_be_hashed_are_told_to_come_back(app: Narrow) {
    register(&app, "ada@example.org").await;
    let all = (0..20).map(|n| {
        let (app, body) = (&app, json!({ "email": "ada@example.org", "password": PASSWORD }));
        let call = move || {
            app.post("/api/v1/auth/login")
                .from_address(&format!("10.0.{n}.1"))
                .json(&body)
        };
        async move { call().send().await }
    });
    let answers = futures::future::join_all(all).await;
    let (busy, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status() == 503);
    assert!(
        !busy.is_empty() && !others.is_empty(),
        "{} of 20 were busy",
        busy.len()
    );
    for answer in &busy {
        assert_problem(answer, 503, "busy", &[]);
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    assert!(
        others.iter().all(|answer| answer.status() == 200),
        "being told so is no failed attempt"
    );
    assert_problem(
        &login(&app, "ada@example.org", "wrong").await,
        401,
        "invalid_credentials",
        &[],
    );
}
