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
        config.rate_limit.guesses_per_account = "off".parse().unwrap();
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

#[db_test]
async fn a_neighbour_does_not_lock_the_owner_out_of_a_known_address(app: App) {
    register(&app, "ada@example.org").await; // from 127.0.0.1
    for _ in 0..5 {
        login(&app, "127.0.0.77", "ada@example.org", "wrong").await;
    }
    let neighbour = login(&app, "127.0.0.77", "ada@example.org", PASSWORD).await;
    assert_problem(&neighbour, 429, "rate_limited", &[]);
    login(&app, "127.0.0.1", "ada@example.org", PASSWORD)
        .await
        .expect(200);
}

/// Guesses, each from another network; how many were evaluated.
async fn guess(times: u32, one: impl AsyncFn(String) -> Answer) -> usize {
    let mut evaluated = 0;
    for n in 0..times {
        let answer = one(format!("10.{}.{}.1", n / 250, n % 250)).await;
        match answer.status() {
            429 => {}
            422 | 401 => evaluated += 1,
            other => panic!("{other}"),
        }
    }
    evaluated
}

async fn warnings(app: &TestApp) -> usize {
    app.settle().await;
    let mails = app.mails().await;
    mails
        .iter()
        .filter(|mail| mail.subject.contains("Somebody is trying"))
        .count()
}

mod daily {
    use super::*;
    use crate::totp::{current, enrolled, wrong};

    stoa_testkit::app!(
        App,
        auth(|config| config.rate_limit.guesses_per_account = "20/d".parse().unwrap())
    );

    #[db_test]
    async fn guesses_with_a_stolen_session_are_bounded_for_the_account_and_told_to_its_owner(app: App) {
        let ada = register(&app, "ada@example.org").await; // from 127.0.0.1
        let change = async |from: String| {
            let body = json!({ "current_password": "wrong", "new_password": "another good one" });
            let call = app.post("/api/v1/auth/password/change").bearer(&ada.access);
            call.from_address(&from).json(&body).send().await
        };
        let erase = async |from: String| {
            let call = app.delete("/api/v1/auth/account").bearer(&ada.access);
            let body = json!({ "password": "wrong" });
            call.from_address(&from).json(&body).send().await
        };
        assert_eq!(guess(15, change).await, 15);
        assert_eq!(warnings(&app).await, 0);
        assert_eq!(guess(100, erase).await, 5, "all of them together");
        assert_eq!(warnings(&app).await, 1);
        // The owner, at home, is not locked out.
        let body = json!({ "current_password": PASSWORD, "new_password": "another good one" });
        let call = app.post("/api/v1/auth/password/change").bearer(&ada.access);
        call.json(&body).send().await.expect(204);
    }

    #[db_test]
    async fn codes_are_guessed_only_so_often_in_a_day_wherever_from(app: App) {
        let ada = register(&app, "ada@example.org").await; // from 127.0.0.1
        let (secret, _) = enrolled(&app, &ada).await;
        let sign_in = async |from: String, code: String| {
            let body = json!({ "email": "ada@example.org", "password": PASSWORD, "totp": code });
            let call = app.post("/api/v1/auth/login").from_address(&from);
            call.json(&body).send().await
        };
        let remove = async |from: String| {
            let body = json!({ "password": PASSWORD, "code": wrong(&app, &secret) });
            let call = app.delete("/api/v1/auth/totp").bearer(&ada.access);
            call.from_address(&from).json(&body).send().await
        };
        let guesses = guess(15, async |from| sign_in(from, wrong(&app, &secret)).await);
        assert_eq!(guesses.await, 15);
        assert_eq!(guess(100, remove).await, 5, "all of them together");
        assert_eq!(warnings(&app).await, 1);
        let home = || "127.0.0.1".to_owned();
        sign_in(home(), current(&app, &secret)).await.expect(200);
        let guesses = guess(100, async |_| sign_in(home(), wrong(&app, &secret)).await);
        assert_eq!(guesses.await, 20, "nor without end from home");
        assert_eq!(warnings(&app).await, 1, "one mail a day is enough");
    }
}

mod queue {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    stoa_testkit::app!(
        App,
        auth(|config| {
            config.password.memory_kib = 8192;
            config.password.iterations = 2;
            config.password.queue = 64;
        })
    );

    #[db_test]
    async fn a_storm_from_some_networks_does_not_starve_another(app: App) {
        register(&app, "ada@example.org").await;
        let answered = AtomicUsize::new(0);
        let storm = futures::future::join_all((0..600).map(|n| {
            let (app, answered) = (&app, &answered);
            async move {
                let from = format!("10.0.{}.1", n % 15);
                let answer = login(app, &from, "ada@example.org", "wrong").await;
                assert!(matches!(answer.status(), 401 | 503), "{}", answer.text());
                if answer.status() == 401 {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
        let other = async {
            // In the midst of it.
            while answered.load(Ordering::Relaxed) < 2 {
                tokio::task::yield_now().await;
            }
            let before = answered.load(Ordering::Relaxed);
            login(&app, "192.0.2.1", "ada@example.org", PASSWORD)
                .await
                .expect(200);
            answered.load(Ordering::Relaxed) - before
        };
        let (_, overtaken) = futures::future::join(storm, other).await;
        assert!(overtaken <= 40, "{overtaken} of the storm were answered before");
    }
}
