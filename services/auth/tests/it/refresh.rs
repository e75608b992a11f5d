//! New tokens for a refresh token.

use std::time::Duration;

use stoa_db::db_test;
use stoa_testkit::{assert_problem, eventually};

use crate::{App, PASSWORD, SignedIn, audited, login, me, refresh, register};

#[db_test]
async fn each_refresh_gives_new_tokens_of_the_same_session(app: App) {
    let first = register(&app, "ada@example.org").await;
    app.clock().advance(Duration::from_secs(3601));
    let second = SignedIn::of(&refresh(&app, &first.refresh).await.expect(200));
    assert_ne!(first.refresh, second.refresh);
    assert_eq!((first.id, first.session()), (second.id, second.session()));
    assert_problem(&me(&app, &first.access).await, 401, "token_expired", &[]);
    me(&app, &second.access).await.expect(200);
    refresh(&app, &second.refresh).await.expect(200);
}

/// Longer than the leeway.
const LATER: Duration = Duration::from_secs(6);

#[db_test]
async fn a_token_that_comes_back_after_the_leeway_ends_its_session(app: App) {
    let first = register(&app, "ada@example.org").await;
    let other = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    let second = SignedIn::of(&refresh(&app, &first.refresh).await.expect(200));
    app.clock().advance(LATER);

    assert_problem(&refresh(&app, &first.refresh).await, 401, "refresh_reused", &[]);
    assert_problem(&me(&app, &second.access).await, 401, "token_revoked", &[]);
    assert_problem(&refresh(&app, &second.refresh).await, 401, "refresh_invalid", &[]);
    assert_problem(&refresh(&app, &first.refresh).await, 401, "refresh_reused", &[]);
    me(&app, &other.access).await.expect(200);

    let actions = audited(&app).await;
    let count = |action: &str| actions.iter().filter(|one| *one == action).count();
    assert_eq!(
        (count("session.refresh_reused"), count("session.revoke")),
        (1, 1),
        "{actions:?}"
    );
}

#[db_test]
async fn two_tabs_that_refresh_at_once_both_go_on(app: App) {
    let mut tabs = {
        let ada = register(&app, "ada@example.org").await;
        [ada.clone(), ada]
    };
    for round in 0..5 {
        let [one, other] = &tabs;
        let answers = futures::future::join(refresh(&app, &one.refresh), refresh(&app, &other.refresh)).await;
        tabs = [
            SignedIn::of(&answers.0.expect(200)),
            SignedIn::of(&answers.1.expect(200)),
        ];
        for tab in &tabs {
            me(&app, &tab.access).await.expect(200);
        }
        assert_eq!(tabs[0].session(), tabs[1].session());
        app.clock().advance(Duration::from_secs(3600));
        if round % 2 == 0 {
            // One tab took over what the other one has.
            tabs = [tabs[0].clone(), tabs[0].clone()];
        }
    }
}

#[db_test]
async fn a_lost_answer_is_given_again_ten_times_and_the_session_goes_on(app: App) {
    let first = register(&app, "ada@example.org").await;
    for _ in 0..=10 {
        refresh(&app, &first.refresh).await.expect(200);
    }
    assert_problem(&refresh(&app, &first.refresh).await, 401, "refresh_invalid", &[]);
    me(&app, &first.access).await.expect(200);
    assert!(!audited(&app).await.contains(&"session.refresh_reused".to_owned()));
    app.clock().advance(LATER);
    assert_problem(&refresh(&app, &first.refresh).await, 401, "refresh_reused", &[]);
    assert_problem(&me(&app, &first.access).await, 401, "token_revoked", &[]);
}

#[db_test]
async fn a_token_whose_answer_was_used_is_refused_within_the_leeway_and_ends_nothing(app: App) {
    let first = register(&app, "ada@example.org").await;
    let second = SignedIn::of(&refresh(&app, &first.refresh).await.expect(200));
    let third = SignedIn::of(&refresh(&app, &second.refresh).await.expect(200));
    assert_problem(&refresh(&app, &first.refresh).await, 401, "refresh_invalid", &[]);
    me(&app, &third.access).await.expect(200);
    refresh(&app, &third.refresh).await.expect(200);
}

#[db_test]
async fn of_many_at_once_all_are_answered(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let all = (0..8).map(|_| refresh(&app, &ada.refresh));
    for answer in futures::future::join_all(all).await {
        let tab = SignedIn::of(&answer.expect(200));
        me(&app, &tab.access).await.expect(200);
    }
}

stoa_testkit::app!(
    Strict,
    crate::auth(|config| config.refresh_leeway = "0s".parse().unwrap())
);

#[db_test]
async fn without_a_leeway_a_token_works_once(app: Strict) {
    let ada = register(&app, "ada@example.org").await;
    refresh(&app, &ada.refresh).await.expect(200);
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_reused", &[]);
}

#[db_test]
async fn a_session_does_not_keep_tokens_without_end(app: App) {
    let mut ada = register(&app, "ada@example.org").await;
    for _ in 0..210 {
        app.clock().advance(Duration::from_millis(10));
        ada = SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    }
    let kept: i64 = crate::value(&app, "SELECT count(*) FROM refresh_tokens").await;
    assert_eq!(kept, 200);
    refresh(&app, &ada.refresh).await.expect(200);
}

#[db_test]
async fn a_token_that_is_unknown_or_too_old_is_refused(app: App) {
    assert_problem(&refresh(&app, "nonsense").await, 401, "refresh_invalid", &[]);
    let ada = register(&app, "ada@example.org").await;
    app.clock().advance(Duration::from_secs(7 * 24 * 3600 + 1));
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_invalid", &[]);
}

#[db_test]
async fn what_has_expired_is_forgotten(app: App) {
    register(&app, "ada@example.org").await;
    app.advance(Duration::from_secs(9 * 24 * 3600)).await;
    eventually("the purge runs", async || {
        let sql = "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM refresh_tokens)";
        crate::value::<i64>(&app, sql).await == 0
    })
    .await;
}

/// A client may send its access token along, out of date or not.
#[db_test]
async fn an_access_token_that_is_out_of_date_does_not_keep_anybody_from_refreshing_it(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let body = serde_json::json!({ "name": "Engines" });
    let call = app.post("/api/v1/auth/organizations").bearer(&ada.access);
    call.json(&body).send().await.expect(201);
    assert_problem(&me(&app, &ada.access).await, 401, "token_stale", &[]);
    let body = serde_json::json!({ "refresh_token": ada.refresh });
    let call = app.post("/api/v1/auth/refresh").bearer(&ada.access);
    let fresh = SignedIn::of(&call.json(&body).send().await.expect(200));
    me(&app, &fresh.access).await.expect(200);
    let body = serde_json::json!({ "email": "ada@example.org", "password": PASSWORD });
    let call = app.post("/api/v1/auth/login").bearer("nonsense");
    call.json(&body).send().await.expect(200);
}
