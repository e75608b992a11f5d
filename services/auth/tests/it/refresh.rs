//! New tokens for a refresh token.

use std::time::Duration;

use stoa_db::db_test;
use stoa_testkit::assert_problem;

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

#[db_test]
async fn a_token_that_comes_twice_ends_its_session(app: App) {
    let first = register(&app, "ada@example.org").await;
    let other = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    let second = SignedIn::of(&refresh(&app, &first.refresh).await.expect(200));

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
async fn of_many_at_once_exactly_one_wins(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let all = (0..8).map(|_| refresh(&app, &ada.refresh));
    let answers = futures::future::join_all(all).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status() == 200);
    assert_eq!(won.len(), 1);
    for answer in &lost {
        assert_problem(answer, 401, "refresh_reused", &[]);
    }
    let winner = SignedIn::of(&won[0]);
    assert_problem(&me(&app, &winner.access).await, 401, "token_revoked", &[]);
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
    for _ in 0..100 {
        app.settle().await;
        let left: i64 = crate::value(
            &app,
            "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM refresh_tokens)",
        )
        .await;
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the daily purge did not run");
}
