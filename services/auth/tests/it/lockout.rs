//! Guessing passwords, and why it locks nobody out.

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{PASSWORD, audited, auth, register};

stoa_testkit::app!(
    App,
    auth(|config| {
        config.rate_limit.login_per_address = "20/h".parse().unwrap();
        config.rate_limit.login_per_account = "3/h".parse().unwrap();
    })
);

async fn login(app: &TestApp, address: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    app.post("/api/v1/auth/login")
        .from_address(address)
        .json(&body)
        .send()
        .await
}

#[db_test]
async fn one_network_guesses_only_so_often_and_locks_only_itself_out(app: App) {
    register(&app, "ada@example.org").await; // from 127.0.0.1
    for n in 1..=3 {
        let answer = login(&app, &format!("192.0.2.{n}"), "ada@example.org", "wrong").await;
        assert_problem(&answer, 401, "invalid_credentials", &[]);
    }
    let refused = login(&app, "192.0.2.4", "ada@example.org", PASSWORD).await;
    assert_problem(&refused, 429, "rate_limited", &[]);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 1000);
    login(&app, "127.0.0.1", "ada@example.org", PASSWORD)
        .await
        .expect(200);
    login(&app, "198.51.100.1", "ada@example.org", PASSWORD)
        .await
        .expect(200);
}

#[db_test]
async fn guessing_from_many_networks_is_bounded_and_the_owner_still_comes_in(app: App) {
    register(&app, "ada@example.org").await; // from 127.0.0.1
    let mut refused = 0;
    for n in 0..40 {
        let answer = login(&app, &format!("10.0.{n}.1"), "ada@example.org", "wrong").await;
        refused += usize::from(answer.status() == 429);
    }
    assert_eq!(refused, 10, "ten times one network's allowance");
    let failures = audited(&app)
        .await
        .into_iter()
        .filter(|action| action == "session.create_failed")
        .count();
    assert_eq!(failures, 30, "what is refused by a limit writes nothing");
    assert_problem(
        &login(&app, "10.1.0.1", "ada@example.org", PASSWORD).await,
        429,
        "rate_limited",
        &[],
    );
    login(&app, "127.0.0.200", "ada@example.org", PASSWORD)
        .await
        .expect(200);
}

#[db_test]
async fn an_address_without_an_account_is_limited_alike(app: App) {
    for _ in 0..3 {
        assert_problem(
            &login(&app, "192.0.2.1", "nobody@example.org", "wrong").await,
            401,
            "invalid_credentials",
            &[],
        );
    }
    assert_problem(
        &login(&app, "192.0.2.1", "nobody@example.org", "wrong").await,
        429,
        "rate_limited",
        &[],
    );
}

#[db_test]
async fn one_address_guesses_only_so_often_whatever_the_account(app: App) {
    for n in 0..20 {
        assert_problem(
            &login(&app, "192.0.2.1", &format!("u{n}@example.org"), "wrong").await,
            401,
            "invalid_credentials",
            &[],
        );
    }
    assert_problem(
        &login(&app, "192.0.2.1", "other@example.org", "wrong").await,
        429,
        "rate_limited",
        &[],
    );
    assert_problem(
        &login(&app, "192.0.2.2", "other@example.org", "wrong").await,
        401,
        "invalid_credentials",
        &[],
    );
}

#[db_test]
async fn signing_in_gives_the_network_its_allowance_back_but_not_the_address(app: App) {
    register(&app, "ada@example.org").await;
    for _ in 0..10 {
        for _ in 0..2 {
            assert_problem(
                &login(&app, "127.0.0.1", "ada@example.org", "wrong").await,
                401,
                "invalid_credentials",
                &[],
            );
        }
        login(&app, "127.0.0.2", "ada@example.org", PASSWORD)
            .await
            .expect(200);
    }
    // Somebody with an account of their own cannot guess at others for ever.
    assert_problem(
        &login(&app, "127.0.0.1", "bob@example.org", "wrong").await,
        429,
        "rate_limited",
        &[],
    );
}

#[db_test]
async fn many_at_once_are_no_way_around(app: App) {
    register(&app, "ada@example.org").await;
    let all = (0..12).map(|_| async {
        login(&app, "192.0.2.1", "ada@example.org", "wrong")
            .await
            .status()
    });
    let statuses = futures::future::join_all(all).await;
    assert!(
        statuses.iter().filter(|status| **status == 401).count() <= 3,
        "{statuses:?}"
    );
}

#[db_test]
async fn a_stolen_session_does_not_guess_the_password_without_end(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let body = json!({ "current_password": "wrong", "new_password": "another good one" });
    let change = || {
        app.post("/api/v1/auth/password/change")
            .bearer(&ada.access)
            .json(&body)
            .send()
    };
    for _ in 0..3 {
        assert_problem(&change().await, 422, "invalid_input", &["current_password"]);
    }
    assert_problem(&change().await, 429, "rate_limited", &[]);
}
