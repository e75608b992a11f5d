//! E-mail domains that let colleagues in.

use std::time::Duration;

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use super::{App, ORGANIZATIONS, add, again, done_in, found, get, members, post, remove, set_role, verified};
use crate::{PASSWORD, SignedIn, admin::sign_in, login, mailed_token, register, text};

async fn claim(app: &TestApp, by: &SignedIn, id: &str, domain: &str) -> Answer {
    let body = json!({ "domain": domain, "mailbox": "postmaster", "role": "member", "password": PASSWORD });
    post(app, by, &format!("/{id}/domains"), &body).await
}

async fn verify(app: &TestApp, token: &str) -> Answer {
    let call = app.post("/api/v1/auth/domains/verify");
    call.json(&json!({ "token": token })).send().await
}

async fn join(app: &TestApp, by: &SignedIn, id: &str) -> Answer {
    let path = format!("{ORGANIZATIONS}/{id}/join");
    app.post(&path).bearer(&by.access).send().await
}

async fn joinable(app: &TestApp, by: &SignedIn) -> serde_json::Value {
    get(app, by, "/joinable").await.expect(200).value()["items"].clone()
}

#[db_test]
async fn colleagues_join_by_themselves_once_the_domain_has_allowed_it(app: App) {
    let ada = verified(&app, "ada@elsewhere.example").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = verified(&app, "bob@example.org").await;
    let claimed = claim(&app, &ada, &id, "Example.ORG").await.expect(201).value();
    assert_eq!(
        (&claimed["domain"], &claimed["verified_at"]),
        (&json!("example.org"), &json!(null))
    );
    let token = mailed_token(&app, "example.org").await;
    assert_eq!(app.mails().await[0].to, "postmaster@example.org");
    assert_eq!(joinable(&app, &bob).await, json!([]));
    assert_problem(&join(&app, &bob, &id).await, 404, "not_found", &[]);

    verify(&app, &token).await.expect(200);
    assert_eq!(
        joinable(&app, &bob).await,
        json!([{ "id": id, "name": "Engines", "role": "member" }])
    );
    assert_eq!(join(&app, &bob, &id).await.expect(200).value()["role"], "member");
    let bob = again(&app, &bob).await;
    assert_problem(&join(&app, &bob, &id).await, 409, "already_member", &[]);

    // Neither an address that is not verified nor one of a longer domain.
    let eve = register(&app, "eve@example.org").await;
    assert_problem(&join(&app, &eve, &id).await, 403, "email_not_verified", &[]);
    let mallory = verified(&app, "mallory@sub.example.org").await;
    assert_problem(&join(&app, &mallory, &id).await, 404, "not_found", &[]);
    assert_problem(
        &claim(&app, &ada, &id, "example.org").await,
        409,
        "domain_verified",
        &[],
    );

    let path = format!("{ORGANIZATIONS}/{id}/domains/{}", text(&claimed["id"]));
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    assert_eq!(joinable(&app, &eve).await, json!([]));
    assert_eq!(
        members(&app, &ada, &id).await.len(),
        2,
        "those who have joined stay"
    );
    assert_problem(&verify(&app, &token).await, 422, "link_invalid", &[]);
}

#[db_test]
async fn a_domain_is_claimed_by_owners_by_mail_to_its_administrators_alone(app: App) {
    let ada = verified(&app, "ada@elsewhere.example").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    for (field, domain, mailbox, role, password) in [
        ("domain", "gmail.com", "admin", "guest", PASSWORD),
        ("domain", "no domain", "admin", "guest", PASSWORD),
        ("domain", "a@example.org", "admin", "guest", PASSWORD),
        ("mailbox", "example.org", "ada", "guest", PASSWORD),
        ("role", "example.org", "admin", "admin", PASSWORD),
        ("password", "example.org", "admin", "guest", "a wrong one"),
    ] {
        let body = json!({ "domain": domain, "mailbox": mailbox, "role": role, "password": password });
        let answer = post(&app, &ada, &format!("/{id}/domains"), &body).await;
        assert_problem(&answer, 422, "invalid_input", &[field]);
    }
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    assert_problem(
        &claim(&app, &bob, &id, "example.org").await,
        403,
        "organization_role_required",
        &[],
    );
}

#[db_test]
async fn a_mail_to_a_domain_is_answered_within_a_week_or_asked_again(app: App) {
    let ada = verified(&app, "ada@elsewhere.example").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    claim(&app, &ada, &id, "example.org").await.expect(201);
    let token = mailed_token(&app, "example.org").await;
    let page = app
        .get(&format!("/auth/domain?token={token}"))
        .send()
        .await
        .expect(200);
    assert!(
        page.text().contains("Engines") && page.text().contains("example.org"),
        "{}",
        page.text()
    );
    app.advance(Duration::from_secs(7 * 86_400 + 60)).await;
    assert_problem(&verify(&app, &token).await, 422, "link_invalid", &[]);
    let ada = SignedIn::of(&login(&app, "ada@elsewhere.example", PASSWORD).await.expect(200));
    claim(&app, &ada, &id, "example.org").await.expect(201);
    let token = mailed_token(&app, "example.org").await;
    let call = app.post("/auth/domain");
    let form = "application/x-www-form-urlencoded";
    let done = call
        .body(form, format!("token={token}&answer=allow"))
        .send()
        .await
        .expect(200);
    assert!(done.text().contains("can join now"), "{}", done.text());
}

#[db_test]
async fn a_domain_that_a_removed_owner_has_claimed_lets_nobody_in(app: App) {
    let ada = verified(&app, "ada@elsewhere.example").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = verified(&app, "bob@example.org").await;
    add(&app, &ada, &id, &bob, "bob@example.org", "owner").await;
    for (domain, end) in [("one.example", "admin"), ("two.example", "")] {
        let bob = sign_in(&app, "bob@example.org").await;
        claim(&app, &bob, &id, domain).await.expect(201);
        let token = mailed_token(&app, domain).await;
        if end.is_empty() {
            set_role(&app, &ada, &id, bob.id, "member").await.expect(204);
            remove(&app, &ada, &id, bob.id).await.expect(204);
        } else {
            set_role(&app, &ada, &id, bob.id, end).await.expect(204);
            set_role(&app, &ada, &id, bob.id, "owner").await.expect(204);
        }
        assert_problem(&verify(&app, &token).await, 422, "link_invalid", &[]);
    }
}

#[db_test]
async fn who_has_left_comes_back_by_an_invitation_alone(app: App) {
    let ada = verified(&app, "ada@elsewhere.example").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    claim(&app, &ada, &id, "example.org").await.expect(201);
    let token = mailed_token(&app, "example.org").await;
    verify(&app, &token).await.expect(200);
    let bob = verified(&app, "bob@example.org").await;
    join(&app, &bob, &id).await.expect(200);
    let path = format!("{ORGANIZATIONS}/{id}/members/{}", bob.id);
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    let bob = again(&app, &bob).await;
    assert_eq!(joinable(&app, &bob).await, json!([]));
    assert_problem(&join(&app, &bob, &id).await, 403, "invitation_needed", &[]);
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "guest").await;
    app.delete(&path).bearer(&bob.access).send().await.expect(204);
    let bob = again(&app, &bob).await;
    assert_problem(&join(&app, &bob, &id).await, 403, "invitation_needed", &[]);
}

#[db_test]
async fn the_administrators_of_a_domain_refuse_it_and_take_back_what_they_allowed(app: App) {
    let ada = verified(&app, "ada@elsewhere.example").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let form = "application/x-www-form-urlencoded";
    for is_allowed in [false, true] {
        claim(&app, &ada, &id, "example.org").await.expect(201);
        let token = mailed_token(&app, "example.org").await;
        // Without its button a form allows nothing: programs that look at mails may send one.
        for answer in ["", "&answer=REFUSE"] {
            let call = app.post("/auth/domain");
            let page = call.body(form, format!("token={token}{answer}")).send().await;
            assert!(page.expect(422).text().contains(">Allow<"));
        }
        if is_allowed {
            verify(&app, &token).await.expect(200);
            app.settle().await;
            let mails = app.mails().await;
            let told = mails
                .iter()
                .find(|mail| mail.subject.contains("can join Engines"));
            assert_eq!(told.unwrap().to, "ada@elsewhere.example");
            app.advance(Duration::from_secs(30 * 86_400)).await;
        }
        let page = app
            .get(&format!("/auth/domain?token={token}"))
            .send()
            .await
            .expect(200);
        assert_eq!(
            page.text().contains("Stop allowing"),
            is_allowed,
            "{}",
            page.text()
        );
        let call = app.post("/auth/domain");
        let answer = call
            .body(form, format!("token={token}&answer=refuse"))
            .send()
            .await;
        assert!(
            answer
                .expect(200)
                .text()
                .contains("cannot join without an invitation")
        );
        assert_problem(&verify(&app, &token).await, 422, "link_invalid", &[]);
        let body = json!({ "token": token });
        let call = app.post("/api/v1/auth/domains/refuse").json(&body);
        assert_problem(&call.send().await, 422, "link_invalid", &[]);
    }
    let bob = verified(&app, "bob@example.org").await;
    assert_problem(&join(&app, &bob, &id).await, 404, "not_found", &[]);
    let ada = SignedIn::of(&login(&app, "ada@elsewhere.example", PASSWORD).await.expect(200));
    assert_eq!(done_in(&app, &ada, &id).await[0], "domain.refuse");
}
