//! Showing that an address is one's own.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{App, PASSWORD, auth, mailed_token, me, register};

stoa_testkit::app!(
    Limited,
    auth(|config| config.rate_limit.login_per_account = "5/m".parse().unwrap())
);

const FORM: &str = "application/x-www-form-urlencoded";

async fn verify(app: &TestApp, token: &str) -> Answer {
    verify_with(app, &json!({ "token": token, "password": PASSWORD })).await
}

async fn verify_with(app: &TestApp, body: &Value) -> Answer {
    app.post("/api/v1/auth/email/verify").json(body).send().await
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
    let token = mailed_token(&app, "Verify").await;
    verify(&app, &token).await.expect(204);
    assert_eq!(
        me(&app, &ada.access).await.expect(200).value()["email_verified"],
        true
    );
    assert_problem(&verify(&app, &token).await, 422, "link_invalid", &[]);
    assert_problem(&verify(&app, "nonsense").await, 422, "link_invalid", &[]);
}

/// Somebody may have registered an address that is not theirs: the owner's click alone makes it no account with a verified address.
#[db_test]
async fn the_link_alone_is_not_enough_without_session_and_password(app: App) {
    let squatter = register(&app, "ada@example.org").await;
    let ada = mailed_token(&app, "Verify").await;
    let eve = register(&app, "eve@example.org").await;
    let answer = verify_with(&app, &json!({ "token": ada })).await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    assert_eq!(answer.value()["errors"][0]["code"], "required");
    let answer = verify_with(&app, &json!({ "token": ada, "password": "not the squatter's" })).await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    assert_eq!(answer.value()["errors"][0]["code"], "wrong_password");
    // A session of another account is none of this one.
    let call = app.post("/api/v1/auth/email/verify").bearer(&eve.access);
    let answer = call.json(&json!({ "token": ada })).send().await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    let me = me(&app, &squatter.access).await.expect(200).value();
    assert_eq!(me["email_verified"], false);
    // Nothing of it used the link up.
    verify(&app, &ada).await.expect(204);
}

#[db_test]
async fn passwords_are_guessed_at_a_link_only_so_often(app: Limited) {
    register(&app, "ada@example.org").await;
    let token = mailed_token(&app, "Verify").await;
    let mut statuses = Vec::new();
    for n in 0..6 {
        let body = json!({ "token": token, "password": format!("a wrong one {n}") });
        let call = app.post("/api/v1/auth/email/verify").from_address("192.0.2.9");
        statuses.push(call.json(&body).send().await.status());
    }
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429]);
}

#[db_test]
async fn the_page_asks_for_the_password_where_nobody_is_signed_in(app: App) {
    register(&app, "ada@example.org").await;
    let token = mailed_token(&app, "Verify").await;
    let path = format!("/auth/verify?token={token}");
    let page = app.get(&path).send().await.expect(200);
    assert!(page.text().contains("name=\"password\""), "{}", page.text());
    let form = |password: &str| format!("token={token}&password={}", password.replace(' ', "+"));
    let call = app.post("/auth/verify").body(FORM, form("wrong"));
    let wrong = call.send().await.expect(422);
    assert!(
        wrong.text().contains("The password is wrong") && wrong.text().contains("name=\"password\""),
        "{}",
        wrong.text()
    );
    let call = app.post("/auth/verify").body(FORM, form(PASSWORD));
    let done = call.send().await.expect(200);
    assert!(done.text().contains("is verified"), "{}", done.text());
    // The link was used.
    app.get(&path).send().await.expect(422);
}

#[db_test]
async fn the_mail_is_sent_again_while_it_is_needed(app: App) {
    register(&app, "ada@example.org").await;
    let first = mailed_token(&app, "Verify").await;
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
    assert!(mails[0].text.contains(&page), "{}", mails[0].text);
}
