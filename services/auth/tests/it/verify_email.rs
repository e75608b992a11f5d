//! Showing that an address is one's own.

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{App, mailed_token, me, register};

async fn verify(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/email/verify")
        .json(&json!({ "token": token }))
        .send()
        .await
}

async fn resend(app: &TestApp, email: &str) -> Answer {
    app.post("/api/v1/auth/email/verify/resend")
        .json(&json!({ "email": email }))
        .send()
        .await
}

#[db_test]
async fn a_link_verifies_once(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let token = mailed_token(&app, "Confirm").await;
    verify(&app, &token).await.expect(204);
    assert_eq!(
        me(&app, &ada.access).await.expect(200).value()["email_verified"],
        true
    );
    assert_problem(&verify(&app, &token).await, 422, "link_invalid", &[]);
    assert_problem(&verify(&app, "nonsense").await, 422, "link_invalid", &[]);
}

#[db_test]
async fn the_mail_is_sent_again_while_it_is_needed(app: App) {
    register(&app, "ada@example.org").await;
    let first = mailed_token(&app, "Confirm").await;
    resend(&app, "ada@example.org").await.expect(202);
    resend(&app, "bob@example.org").await.expect(202);
    app.settle().await;
    assert_eq!(app.mails().await.len(), 2);
    verify(&app, &first).await.expect(204);
    resend(&app, "ada@example.org").await.expect(202);
    app.settle().await;
    assert_eq!(app.mails().await.len(), 2, "there is nothing left to verify");
}

#[db_test]
async fn the_link_leads_here(app: App) {
    register(&app, "ada@example.org").await;
    app.settle().await;
    let mails = app.mails().await;
    assert_eq!(mails[0].to, "ada@example.org");
    let page = format!("http://{}/auth/verify?token=", app.address());
    assert!(
        mails[0].text.contains(&page) && mails[0].html.as_ref().unwrap().contains("verify?token="),
        "{}",
        mails[0].text
    );
}
