//! Changing a password, and choosing a new one by mail.

use std::time::Duration;

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{App, PASSWORD, SignedIn, audited, login, mailed_token, me, refresh, register, value};

const NEW: &str = "another good one";

async fn change(app: &TestApp, who: &SignedIn, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    app.post("/api/v1/auth/password/change")
        .bearer(&who.access)
        .json(&body)
        .send()
        .await
}

async fn ask(app: &TestApp, email: &str) -> Answer {
    app.post("/api/v1/auth/password/reset")
        .json(&json!({ "email": email }))
        .send()
        .await
}

async fn confirm(app: &TestApp, token: &str, new: &str) -> Answer {
    let body = json!({ "token": token, "new_password": new });
    app.post("/api/v1/auth/password/reset/confirm")
        .json(&body)
        .send()
        .await
}

#[db_test]
async fn changing_it_ends_the_other_sessions(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let other = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    change(&app, &ada, PASSWORD, NEW).await.expect(204);
    me(&app, &ada.access).await.expect(200);
    refresh(&app, &ada.refresh).await.expect(200);
    assert_problem(&me(&app, &other.access).await, 401, "token_revoked", &[]);
    assert_problem(
        &login(&app, "ada@example.org", PASSWORD).await,
        401,
        "invalid_credentials",
        &[],
    );
    login(&app, "ada@example.org", NEW).await.expect(200);
    app.settle().await;
    assert!(
        app.mails()
            .await
            .iter()
            .any(|mail| mail.subject.contains("was changed"))
    );
}

#[db_test]
async fn changing_it_needs_the_current_one_and_a_good_new_one(app: App) {
    let ada = register(&app, "ada@example.org").await;
    assert_problem(
        &change(&app, &ada, "wrong", NEW).await,
        422,
        "invalid_input",
        &["current_password"],
    );
    assert_problem(
        &change(&app, &ada, PASSWORD, "short").await,
        422,
        "invalid_input",
        &["new_password"],
    );
    assert_problem(
        &change(&app, &ada, PASSWORD, "ada@example.org").await,
        422,
        "invalid_input",
        &["new_password"],
    );
    let body = json!({ "current_password": PASSWORD, "new_password": NEW });
    let nobody = app.post("/api/v1/auth/password/change").json(&body).send().await;
    assert_problem(&nobody, 401, "unauthenticated", &[]);
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
}

#[db_test]
async fn a_forgotten_one_is_chosen_anew_by_mail(app: App) {
    let ada = register(&app, "ada@example.org").await;
    ask(&app, " ADA@example.org").await.expect(202);
    let token = mailed_token(&app, "new password").await;
    assert_problem(
        &confirm(&app, &token, "short").await,
        422,
        "invalid_input",
        &["new_password"],
    );
    confirm(&app, &token, NEW).await.expect(204);
    assert_problem(&me(&app, &ada.access).await, 401, "token_revoked", &[]);
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_invalid", &[]);
    assert_problem(
        &login(&app, "ada@example.org", PASSWORD).await,
        401,
        "invalid_credentials",
        &[],
    );
    let body = login(&app, "ada@example.org", NEW).await.expect(200).value();
    assert_eq!(
        body["user"]["email_verified"], true,
        "whoever read the mail owns the address"
    );
    assert_problem(&confirm(&app, &token, NEW).await, 422, "link_invalid", &[]);
}

#[db_test]
async fn asking_does_not_tell_whether_an_account_exists(app: App) {
    register(&app, "ada@example.org").await;
    app.settle().await;
    let mails = app.mails().await.len();
    let known = ask(&app, "ada@example.org").await.expect(202);
    let unknown = ask(&app, "bob@example.org").await.expect(202);
    assert_eq!(
        (known.text(), known.headers().len()),
        (unknown.text(), unknown.headers().len())
    );
    app.settle().await;
    assert_eq!(app.mails().await.len(), mails + 1);
    let requests = audited(&app)
        .await
        .into_iter()
        .filter(|action| action == "password.reset_requested")
        .count();
    assert_eq!(
        requests, 1,
        "requests for addresses without an account are not kept"
    );
    let jobs: i64 = value(
        &app,
        "SELECT count(*) FROM jobs WHERE queue = 'auth.ask_for_link'",
    )
    .await;
    let counted: i64 = value(&app, "SELECT CAST(sum(count) AS BIGINT) FROM unsent_mails").await;
    assert_eq!(
        (jobs, counted),
        (1, 1),
        "the request itself writes as much for both"
    );
}

#[db_test]
async fn one_account_gets_only_so_many_mails(app: App) {
    register(&app, "ada@example.org").await;
    for _ in 0..10 {
        ask(&app, "ada@example.org").await.expect(202);
    }
    app.settle().await;
    let sent = app
        .mails()
        .await
        .into_iter()
        .filter(|mail| mail.subject.contains("new password"))
        .count();
    assert_eq!(sent, 5);
}

#[db_test]
async fn a_link_works_for_its_time_and_its_purpose(app: App) {
    register(&app, "ada@example.org").await;
    let verify = mailed_token(&app, "Verify").await;
    assert_problem(&confirm(&app, &verify, NEW).await, 422, "link_invalid", &[]);
    assert_problem(&confirm(&app, "nonsense", NEW).await, 422, "link_invalid", &[]);
    ask(&app, "ada@example.org").await.expect(202);
    let token = mailed_token(&app, "new password").await;
    let in_clear: i64 = value(
        &app,
        &format!("SELECT count(*) FROM jobs WHERE payload LIKE '%{token}%'"),
    )
    .await;
    assert_eq!(in_clear, 0);
    app.clock().advance(Duration::from_secs(3601));
    assert_problem(&confirm(&app, &token, NEW).await, 422, "link_invalid", &[]);
}

#[db_test]
async fn of_many_at_once_one_uses_the_link(app: App) {
    register(&app, "ada@example.org").await;
    ask(&app, "ada@example.org").await.expect(202);
    let token = mailed_token(&app, "new password").await;
    let all = (0..6).map(|n| {
        let (app, token) = (&app, &token);
        async move {
            confirm(app, token, &format!("another good one {n}"))
                .await
                .status()
        }
    });
    let mut statuses = futures::future::join_all(all).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 422, 422, 422, 422, 422]);
}

#[db_test]
async fn nobody_uses_up_the_mails_of_somebody_else(app: App) {
    register(&app, "ada@example.org").await; // from 127.0.0.1
    let token = mailed_token(&app, "Verify").await;
    let verify = json!({ "token": token, "password": PASSWORD });
    app.post("/api/v1/auth/email/verify")
        .json(&verify)
        .send()
        .await
        .expect(204);
    let from = async |address: &str, path: &str| {
        let body = json!({ "email": "ada@example.org" });
        let call = app.post(&format!("/api/v1/auth/{path}")).from_address(address);
        call.json(&body).send().await.expect(202);
    };
    let sent = async || {
        app.settle().await;
        let mails = app.mails().await;
        mails
            .iter()
            .filter(|mail| mail.subject.contains("new password"))
            .count()
    };
    // The address is verified: these send nothing, and so count for nothing.
    for n in 0..20 {
        from(&format!("192.0.2.{n}"), "email/verify/resend").await;
    }
    for network in 0..40 {
        from(&format!("10.0.{network}.1"), "password/reset").await;
    }
    assert_eq!(
        sent().await,
        10,
        "all networks that are new to the account together"
    );
    from("127.0.0.1", "password/reset").await;
    assert_eq!(sent().await, 11, "the owner at home");
}

mod limited {
    use super::*;

    stoa_testkit::app!(
        App,
        crate::auth(|config| config.rate_limit.mails_per_address = "3/h".parse().unwrap())
    );

    #[db_test]
    async fn one_address_asks_for_mails_only_so_often_whoever_would_get_them(app: App) {
        for n in 0..3 {
            ask(&app, &format!("nobody{n}@example.org")).await.expect(202);
        }
        assert_problem(&ask(&app, "ada@example.org").await, 429, "rate_limited", &[]);
        let body = json!({ "email": "ada@example.org" });
        let resend = app.post("/api/v1/auth/email/verify/resend").json(&body);
        assert_problem(&resend.send().await, 429, "rate_limited", &[]);
        app.settle().await;
        let rows: i64 = value(&app, "SELECT count(*) FROM jobs").await;
        assert!(rows <= 3, "{rows}");
        assert_eq!(audited(&app).await, Vec::<String>::new());
    }
}
