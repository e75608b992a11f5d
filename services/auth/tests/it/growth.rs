//! What anybody can make grow, and that it does not without end.

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{TestApp, assert_problem};

use crate::{App, PASSWORD, SignedIn, audited, auth, login, me, register, value};

stoa_testkit::app!(Few, auth(|config| config.sessions_max = 3));

#[db_test]
async fn an_account_has_only_so_many_sessions_and_the_one_unused_for_longest_ends(app: Few) {
    let first = register(&app, "ada@example.org").await;
    let mut later = Vec::new();
    for _ in 0..2 {
        app.clock().advance(std::time::Duration::from_secs(1));
        later.push(SignedIn::of(
            &login(&app, "ada@example.org", PASSWORD).await.expect(200),
        ));
    }
    app.clock().advance(std::time::Duration::from_secs(1));
    let first = SignedIn::of(&crate::refresh(&app, &first.refresh).await.expect(200));
    let newest = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    assert_problem(&me(&app, &later[0].access).await, 401, "token_revoked", &[]);
    for kept in [&first, &later[1], &newest] {
        me(&app, &kept.access).await.expect(200);
    }
    for _ in 0..5 {
        login(&app, "ada@example.org", PASSWORD).await.expect(200);
    }
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM sessions").await, 3);
}

async fn rows(app: &TestApp) -> i64 {
    value(app, "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM outbox) + (SELECT count(*) FROM mail_tokens)").await
}

#[db_test]
async fn asking_for_mails_to_unknown_addresses_leaves_no_job_and_no_audit_entry(app: App) {
    register(&app, "known@example.org").await;
    app.settle().await;
    let verify = json!({ "token": crate::mailed_token(&app, "Verify").await, "password": PASSWORD });
    app.post("/api/v1/auth/email/verify")
        .json(&verify)
        .send()
        .await
        .expect(204);
    app.settle().await;
    let before = (rows(&app).await, audited(&app).await.len());
    for path in ["email/verify/resend", "password/reset"] {
        for number in 0..20 {
            let body = json!({ "email": format!("nobody{number}@example.org") });
            app.post(&format!("/api/v1/auth/{path}"))
                .json(&body)
                .send()
                .await
                .expect(202);
        }
    }
    // There is nothing left to verify.
    let body = json!({ "email": "known@example.org" });
    app.post("/api/v1/auth/email/verify/resend")
        .json(&body)
        .send()
        .await
        .expect(202);
    app.settle().await;
    assert_eq!((rows(&app).await, audited(&app).await.len()), before);
    assert!(value::<i64>(&app, "SELECT count(*) FROM unsent_mails").await <= 16);
}

#[db_test]
async fn an_account_has_only_so_many_known_networks(app: App) {
    register(&app, "ada@example.org").await;
    for number in 0..60 {
        let body = json!({ "email": "ada@example.org", "password": PASSWORD });
        let call = app
            .post("/api/v1/auth/login")
            .from_address(&format!("198.51.{number}.7"));
        call.json(&body).send().await.expect(200);
    }
    assert_eq!(
        value::<i64>(&app, "SELECT count(*) FROM known_networks").await,
        100
    );
}
