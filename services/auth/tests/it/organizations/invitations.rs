//! Invitations: to people with and without an account, by mail.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_auth_api::events::MemberAdded;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use super::{
    App, ORGANIZATIONS, accept, add, again, found, get, invite, members, remove, set_role, verified,
};
use crate::{
    PASSWORD, SignedIn,
    admin::{root, sign_in},
    claims, login, mailed_token, me, register, text, value,
};

async fn offer(app: &TestApp, token: &str) -> Answer {
    app.get(&format!("/api/v1/auth/invitations/{token}")).send().await
}

async fn own(app: &TestApp, by: &SignedIn) -> Value {
    let call = app.get("/api/v1/auth/invitations").bearer(&by.access);
    call.send().await.expect(200).value()["items"].clone()
}

#[db_test]
async fn people_without_an_account_are_invited_register_and_accept(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let made = invite(&app, &ada, &id, "Bob@Example.org", "member")
        .await
        .expect(201)
        .value();
    assert_eq!(
        (&made["email"], &made["role"]),
        (&json!("Bob@Example.org"), &json!("member"))
    );
    let token = mailed_token(&app, "invited").await;
    let mails = app.mails().await;
    assert!(
        mails[0].text.contains("ada@example.org") && mails[0].text.contains("Engines"),
        "{}",
        mails[0].text
    );

    let offered = offer(&app, &token).await.expect(200).value();
    assert_eq!(
        (&offered["organization_name"], &offered["role"]),
        (&json!("Engines"), &json!("member"))
    );
    let bob = register(&app, "bob@example.org").await;
    let joined = accept(&app, &bob, &token).await.expect(200).value();
    assert_eq!((&joined["id"], &joined["role"]), (&json!(id), &json!("member")));
    assert_problem(&me(&app, &bob.access).await, 401, "token_stale", &[]);
    let bob = again(&app, &bob).await;
    assert_eq!(claims(&bob.access)["orgs"][0][0], json!(id));
    assert_eq!(
        me(&app, &bob.access).await.expect(200).value()["email_verified"],
        true,
        "the link has shown it"
    );
    assert_eq!(members(&app, &bob, &id).await.len(), 2);
    assert_problem(&accept(&app, &bob, &token).await, 422, "invitation_invalid", &[]);
    app.settle().await;
    let added = app.emitted::<MemberAdded>().await;
    assert_eq!(added.last().unwrap().user_id, bob.id);
}

#[db_test]
async fn only_the_address_that_was_invited_accepts(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let (bob, eve) = (
        register(&app, "bob@example.org").await,
        verified(&app, "eve@example.org").await,
    );
    let made = invite(&app, &ada, &id, "bob@example.org", "admin")
        .await
        .expect(201)
        .value();
    let token = mailed_token(&app, "invited").await;
    assert_problem(
        &accept(&app, &eve, &token).await,
        403,
        "invitation_for_another",
        &[],
    );
    // By its id it is accepted by somebody whose address is verified, and by nobody else.
    let by_id = text(&made["id"]);
    for stranger in [&eve, &bob] {
        assert_problem(
            &accept(&app, stranger, &by_id).await,
            422,
            "invitation_invalid",
            &[],
        );
    }
    assert_eq!(
        (own(&app, &bob).await, own(&app, &eve).await),
        (json!([]), json!([]))
    );
    for wrong in ["nonsense", &token[..token.len() - 1], &by_id] {
        assert_problem(&offer(&app, wrong).await, 422, "invitation_invalid", &[]);
    }
    accept(&app, &bob, &token).await.expect(200);
}

#[db_test]
async fn who_has_a_verified_address_sees_invitations_and_answers_them_by_id(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (one, ada) = found(&app, &ada, "One").await;
    let (two, ada) = found(&app, &ada, "Two").await;
    let bob = verified(&app, "bob@example.org").await;
    for id in [&one, &two] {
        invite(&app, &ada, id, "bob@example.org", "guest")
            .await
            .expect(201);
    }
    let offers = own(&app, &bob).await;
    assert_eq!(
        (&offers[0]["organization_name"], &offers[1]["organization_name"]),
        (&json!("Two"), &json!("One"))
    );
    let decline = format!("/api/v1/auth/invitations/{}/decline", text(&offers[0]["id"]));
    app.post(&decline).bearer(&bob.access).send().await.expect(204);
    accept(&app, &bob, &text(&offers[1]["id"])).await.expect(200);
    let bob = again(&app, &bob).await;
    assert_eq!(own(&app, &bob).await, json!([]));
    let list = get(&app, &bob, "").await.expect(200).value();
    assert_eq!(list["items"][0]["id"], json!(one));
    assert_problem(
        &get(&app, &bob, &format!("/{one}/members")).await,
        403,
        "organization_role_required",
        &[],
    );
}

#[db_test]
async fn an_invitation_ends_when_it_is_replaced_revoked_or_expired(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    invite(&app, &ada, &id, "bob@example.org", "admin")
        .await
        .expect(201);
    let first = mailed_token(&app, "invited").await;
    let second = invite(&app, &ada, &id, "BOB@example.org", "guest")
        .await
        .expect(201)
        .value();
    assert_problem(&accept(&app, &bob, &first).await, 422, "invitation_invalid", &[]);
    let token = mailed_token(&app, "invited").await;
    let path = format!("{ORGANIZATIONS}/{id}/invitations/{}", text(&second["id"]));
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    app.delete(&path).bearer(&ada.access).send().await.expect(404);
    assert_problem(&accept(&app, &bob, &token).await, 422, "invitation_invalid", &[]);

    invite(&app, &ada, &id, "bob@example.org", "guest")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    let fourth = invite(&app, &ada, &id, "bob@example.org", "guest").await;
    assert_problem(&fourth, 429, "rate_limited", &[]);
    app.advance(Duration::from_secs(8 * 86_400)).await;
    let bob = SignedIn::of(&login(&app, "bob@example.org", PASSWORD).await.expect(200));
    assert_problem(&accept(&app, &bob, &token).await, 422, "invitation_invalid", &[]);
    app.advance(Duration::from_secs(3700)).await;
    eventually("the invitation is purged", async || {
        let left: i64 = value(&app, "SELECT count(*) FROM invitations").await;
        left == 0
    })
    .await;
}

#[db_test]
async fn an_invitation_is_worth_no_more_than_the_person_who_sent_it(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let (bob, eve) = (
        verified(&app, "bob@example.org").await,
        register(&app, "eve@example.org").await,
    );
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let answer = invite(&app, &bob, &id, "eve@example.org", "owner").await;
    assert_problem(&answer, 403, "organization_role_required", &[]);
    for ending in ["removed", "demoted", "disabled"] {
        let bob = match ending {
            "removed" => bob.clone(),
            _ => {
                add(
                    &app,
                    &ada,
                    &id,
                    &sign_in(&app, "bob@example.org").await,
                    "bob@example.org",
                    "admin",
                )
                .await
            }
        };
        invite(&app, &bob, &id, "eve@example.org", "member")
            .await
            .expect(201);
        let token = mailed_token(&app, "invited").await;
        match ending {
            "removed" => remove(&app, &ada, &id, bob.id).await.expect(204),
            "demoted" => {
                set_role(&app, &ada, &id, bob.id, "member").await.expect(204);
                let gone = accept(&app, &eve, &token).await;
                assert_problem(&gone, 422, "invitation_invalid", &[]);
                remove(&app, &ada, &id, bob.id).await.expect(204)
            }
            _ => {
                let root = root(&app).await;
                let path = format!("/api/v1/auth/users/{}/disable", bob.id);
                app.post(&path).bearer(&root.access).send().await.expect(204)
            }
        };
        assert_problem(&accept(&app, &eve, &token).await, 422, "invitation_invalid", &[]);
        app.clock().advance(Duration::from_secs(2));
    }
}

#[db_test]
async fn people_invite_once_their_own_address_is_verified_and_nobody_twice(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let answer = invite(&app, &ada, &id, "bob@example.org", "member").await;
    assert_problem(&answer, 403, "email_not_verified", &[]);
    let token = mailed_token(&app, "Verify").await;
    let call = app.post("/api/v1/auth/email/verify").bearer(&ada.access);
    call.json(&json!({ "token": token })).send().await.expect(204);
    let answer = invite(&app, &ada, &id, "ADA@example.org", "member").await;
    assert_problem(&answer, 409, "already_member", &[]);
    let answer = invite(&app, &ada, &id, "no address", "member").await;
    assert_problem(&answer, 422, "invalid_input", &["email"]);
    let answer = invite(&app, &ada, &id, "bob@example.org", "king").await;
    assert_eq!(answer.status(), 422);
}

#[db_test]
async fn erasing_an_unverified_address_leaves_the_invitations_of_its_true_owner(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    invite(&app, &ada, &id, "bob@example.org", "member")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    let squatter = register(&app, "bob@example.org").await;
    let call = app.delete("/api/v1/auth/account").bearer(&squatter.access);
    call.json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    offer(&app, &token).await.expect(200);
    let bob = verified(&app, "bob@example.org").await;
    let call = app.delete("/api/v1/auth/account").bearer(&bob.access);
    call.json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    assert_problem(&offer(&app, &token).await, 422, "invitation_invalid", &[]);
}

const FORM: &str = "application/x-www-form-urlencoded";

#[db_test]
async fn the_page_of_an_invitation_works_without_scripts_for_people_new_and_known(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines <&>").await;
    invite(&app, &ada, &id, "new@example.org", "member")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    let page = app
        .get(&format!("/auth/invitation?token={token}"))
        .send()
        .await
        .expect(200);
    assert!(
        page.text().contains("Choose a password") && page.text().contains("Engines &lt;&amp;&gt;"),
        "{}",
        page.text()
    );
    let send = async |token: &str, rest: &str| {
        let call = app
            .post("/auth/invitation")
            .body(FORM, format!("token={token}&{rest}"));
        call.send().await
    };
    let short = send(&token, "answer=accept&password=short").await.expect(422);
    assert!(
        short.text().contains("role=\"alert\"") && short.text().contains("Choose a password"),
        "{}",
        short.text()
    );
    let done = send(&token, "answer=accept&password=correct+horse+battery")
        .await
        .expect(200);
    assert!(done.text().contains("You are a member"), "{}", done.text());
    login(&app, "new@example.org", "correct horse battery")
        .await
        .expect(200);

    invite(&app, &ada, &id, "bob@example.org", "guest")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    register(&app, "bob@example.org").await;
    let wrong = send(&token, "answer=accept&password=not+the+password")
        .await
        .expect(422);
    assert!(
        wrong.text().contains("Your password") && wrong.text().contains("aria-invalid"),
        "{}",
        wrong.text()
    );
    let password = PASSWORD.replace(' ', "+");
    send(&token, &format!("answer=accept&password={password}"))
        .await
        .expect(200);
    assert_eq!(members(&app, &ada, &id).await.len(), 3);

    invite(&app, &ada, &id, "eve@example.org", "guest")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    send(&token, "answer=decline").await.expect(200);
    let gone = app
        .get(&format!("/auth/invitation?token={token}"))
        .send()
        .await
        .expect(422);
    assert!(gone.text().contains("role=\"alert\""), "{}", gone.text());
}

#[db_test]
async fn an_account_that_is_disabled_accepts_nothing_by_the_page_either(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    invite(&app, &ada, &id, "bob@example.org", "admin")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    let root = root(&app).await;
    let path = format!("/api/v1/auth/users/{}/disable", bob.id);
    app.post(&path).bearer(&root.access).send().await.expect(204);
    let password = PASSWORD.replace(' ', "+");
    let form = format!("token={token}&answer=accept&password={password}");
    let call = app.post("/auth/invitation").body(FORM, form);
    assert_eq!(call.send().await.status(), 401);
    assert_eq!(members(&app, &ada, &id).await.len(), 1);
}

#[db_test]
async fn an_invitation_ends_with_the_removal_of_whom_it_is_to(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
    // As if it had been sent while they joined in another way.
    let sql = "INSERT INTO invitations (id, organization_id, email, email_key, role, invited_by, created_at, expires_at) \
               VALUES ($1, $2, 'bob@example.org', 'bob@example.org', 'admin', $3, $4, $5)";
    let (now, later) = (app.clock().now(), app.clock().after(Duration::from_secs(3600)));
    let organization: stoa_kernel::OrganizationId = id.parse().unwrap();
    app.db()
        .execute(sql, &[&app.new_user(), &organization, &ada.id, &now, &later])
        .await
        .unwrap();
    remove(&app, &ada, &id, bob.id).await.expect(204);
    let left: i64 = value(&app, "SELECT count(*) FROM invitations").await;
    assert_eq!(left, 0);
}

#[db_test]
async fn an_admin_neither_replaces_nor_revokes_what_an_owner_has_offered(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = verified(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let made = invite(&app, &ada, &id, "eve@example.org", "owner")
        .await
        .expect(201)
        .value();
    let answer = invite(&app, &bob, &id, "eve@example.org", "guest").await;
    assert_problem(&answer, 403, "organization_role_required", &[]);
    let path = format!("{ORGANIZATIONS}/{id}/invitations/{}", text(&made["id"]));
    let answer = app.delete(&path).bearer(&bob.access).send().await;
    assert_problem(&answer, 403, "organization_role_required", &[]);
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
}

#[db_test]
async fn refused_invitations_use_nothing_up(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
    for _ in 0..3 {
        let answer = invite(&app, &ada, &id, "bob@example.org", "member").await;
        assert_problem(&answer, 409, "already_member", &[]);
    }
    remove(&app, &ada, &id, bob.id).await.expect(204);
    for _ in 0..2 {
        invite(&app, &ada, &id, "bob@example.org", "member")
            .await
            .expect(201);
    }
}

#[db_test]
async fn a_browser_that_is_signed_in_accepts_by_its_session(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let body = json!({ "email": "bob@example.org", "password": PASSWORD });
    let call = app.post("/api/v1/auth/register?mode=cookie").json(&body);
    let registered = call.send().await.expect(201);
    let access = registered.set_cookie("stoa_access").unwrap();
    invite(&app, &ada, &id, "bob@example.org", "guest")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    let call = app.get(&format!("/auth/invitation?token={token}"));
    let page = call.cookie("stoa_access", access).send().await.expect(200);
    assert!(page.text().contains("You are signed in as"), "{}", page.text());
    let call = app.post("/auth/invitation").cookie("stoa_access", access);
    let call = call.body(FORM, format!("token={token}&answer=accept"));
    call.send().await.expect(200);
    assert_eq!(members(&app, &ada, &id).await.len(), 2);
}

/// Many accounts of one place neither flood an address nor keep others from inviting it.
#[db_test]
async fn the_accounts_of_one_network_do_not_use_up_what_an_address_gets(app: App) {
    let send = async |by: &SignedIn, id: &str, from: &str| {
        let body = json!({ "email": "bob@example.org", "role": "guest" });
        let path = format!("{ORGANIZATIONS}/{id}/invitations");
        let call = app.post(&path).bearer(&by.access).from_address(from);
        call.json(&body).send().await.status()
    };
    let mut statuses = Vec::new();
    for n in 0..12 {
        let stranger = verified(&app, &format!("stranger{n}@example.org")).await;
        let (id, stranger) = found(&app, &stranger, "Crowd").await;
        statuses.push(send(&stranger, &id, &format!("192.0.2.{n}")).await);
    }
    assert_eq!(statuses, [vec![201; 10], vec![429; 2]].concat());
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    assert_eq!(send(&ada, &id, "198.51.100.1").await, 201);
}
