//! The pages that links in mails lead to.

use serde_json::json;
use stoa_db::db_test;

use crate::{App, PASSWORD, SignedIn, login, mailed_token, me, register};

const FORM: &str = "application/x-www-form-urlencoded";

#[db_test]
async fn looking_at_the_page_uses_nothing_up_and_the_button_does(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let token = mailed_token(&app, "Verify").await;
    for _ in 0..2 {
        let page = app
            .get(&format!("/auth/verify?token={token}"))
            .send()
            .await
            .expect(200);
        assert!(
            page.text().contains(&format!("name=\"token\" value=\"{token}\"")),
            "{}",
            page.text()
        );
        assert_eq!(
            (page.header("referrer-policy"), page.header("cache-control")),
            (Some("no-referrer"), Some("no-store"))
        );
    }
    let form = format!("token={token}&password={}", PASSWORD.replace(' ', "+"));
    let done = app.post("/auth/verify").body(FORM, form).send().await.expect(200);
    assert!(done.text().contains("is verified"), "{}", done.text());
    assert_eq!(
        me(&app, &ada.access).await.expect(200).value()["email_verified"],
        true
    );
    let again = app
        .post("/auth/verify")
        .body(FORM, format!("token={token}"))
        .send()
        .await
        .expect(422);
    assert!(again.text().contains("role=\"alert\""), "{}", again.text());
}

#[db_test]
async fn a_new_password_can_be_chosen_without_scripts(app: App) {
    register(&app, "ada@example.org").await;
    app.post("/api/v1/auth/password/reset")
        .json(&json!({ "email": "ada@example.org" }))
        .send()
        .await
        .expect(202);
    let token = mailed_token(&app, "new password").await;
    app.get(&format!("/auth/reset?token={token}"))
        .send()
        .await
        .expect(200);
    let short = app
        .post("/auth/reset")
        .body(FORM, format!("token={token}&new_password=short"))
        .send()
        .await
        .expect(422);
    assert!(
        short.text().contains("Use at least 8 characters") && short.text().contains("<form"),
        "{}",
        short.text()
    );
    let long = format!("token={token}&new_password={}", "x".repeat(3000));
    app.post("/auth/reset").body(FORM, long).send().await.expect(422);
    let body = format!("token={token}&new_password=another+good+%C3%A4ne");
    let done = app.post("/auth/reset").body(FORM, body).send().await.expect(200);
    assert!(!done.text().contains("<form"), "{}", done.text());
    login(&app, "ada@example.org", "another good äne")
        .await
        .expect(200);
}

#[db_test]
async fn a_link_cannot_write_into_the_page(app: App) {
    let token = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let call = app.get(&format!("/auth/verify?token={token}"));
    let page = call.send().await.expect(422);
    assert!(!page.text().contains("<script"), "{}", page.text());
    let call = app.get(&format!("/auth/reset?token={token}"));
    let page = call.send().await.expect(422);
    assert!(!page.text().contains("<script"), "{}", page.text());
    let call = app.post("/auth/forgotten").body(FORM, format!("email={token}"));
    let page = call.send().await.expect(422);
    assert!(!page.text().contains("<script"), "{}", page.text());
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'nonce-"),
        "{policy}"
    );
    app.get("/auth/verify").send().await.expect(422);
    app.post("/auth/reset").body(FORM, "").send().await.expect(422);
}

#[db_test]
async fn a_browser_that_is_signed_in_confirms_the_address_without_a_password(app: App) {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let call = app.post("/api/v1/auth/register?mode=cookie").json(&body);
    let registered = call.send().await.expect(201);
    let access = registered.set_cookie("stoa_access").unwrap();
    let token = mailed_token(&app, "Verify").await;
    let call = app.get(&format!("/auth/verify?token={token}"));
    let page = call.cookie("stoa_access", access).send().await.expect(200);
    assert!(!page.text().contains("name=\"password\""), "{}", page.text());
    let call = app.post("/auth/verify").cookie("stoa_access", access);
    call.body(FORM, format!("token={token}")).send().await.expect(200);
    let ada = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    let me = me(&app, &ada.access).await.expect(200).value();
    assert_eq!(me["email_verified"], true);
}

#[db_test]
async fn a_forgotten_password_is_asked_for_on_a_page(app: App) {
    register(&app, "ada@example.org").await;
    let page = app.get("/auth/forgotten").send().await.expect(200);
    assert!(page.text().contains("name=\"email\""), "{}", page.text());
    for email in ["ada%40example.org", "nobody%40example.org"] {
        let call = app.post("/auth/forgotten").body(FORM, format!("email={email}"));
        let done = call.send().await.expect(200);
        assert!(done.text().contains("is on its way"), "{}", done.text());
    }
    app.settle().await;
    let mails = app.mails().await;
    let about = mails.iter().filter(|mail| mail.subject.contains("new password"));
    assert_eq!(
        about.map(|mail| &*mail.to).collect::<Vec<_>>(),
        ["ada@example.org"]
    );
}
