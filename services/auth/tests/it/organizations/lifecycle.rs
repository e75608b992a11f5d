//! Organizations: created, renamed, deleted, restored, purged.

use std::time::Duration;

use serde_json::json;
use stoa_auth_api::events::{OrganizationCreated, OrganizationDeleted, OrganizationPurged};
use stoa_db::{Engine, db_test};
use stoa_http::Refused;
use stoa_testkit::{assert_problem, eventually};

use super::{
    App, ORGANIZATIONS, add, again, delete, done_in, found, get, invite, members, post, set_role, verified,
};
use crate::{
    PASSWORD, auth, claims, me, register, text,
    trust::{before_long, elsewhere},
    value,
};

stoa_testkit::app!(Few, auth(|config| config.organizations.joined_max = 22));

#[db_test]
async fn a_person_who_makes_an_organization_owns_it_and_nobody_else_finds_it(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    let before = ada.access.clone();
    let (id, ada) = found(&app, &ada, " Analytical  Engines ").await;
    assert_problem(&me(&app, &before).await, 401, "token_stale", &[]);
    assert_eq!(claims(&ada.access)["orgs"][0][1], "owner");

    let read = get(&app, &ada, &format!("/{id}")).await.expect(200);
    let body = read.value();
    assert_eq!(
        (&body["name"], &body["role"]),
        (&json!("Analytical  Engines"), &json!("owner"))
    );
    assert_eq!(body["purge_at"], json!(null));
    assert_eq!(
        members(&app, &ada, &id).await,
        [("ada@example.org".to_owned(), "owner".to_owned())]
    );
    let list = get(&app, &ada, "").await.expect(200).value();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);

    for path in ["", "/members", "/invitations", "/domains", "/api-keys", "/audit"] {
        let answer = get(&app, &bob, &format!("/{id}{path}")).await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
    assert_eq!(get(&app, &bob, "").await.expect(200).value()["items"], json!([]));
    assert_eq!(
        app.emitted_one::<OrganizationCreated>(|_| true).await.name,
        "Analytical  Engines"
    );
    for name in ["", " ", "\u{200b}", "two\nlines"] {
        let answer = post(&app, &ada, "", &json!({ "name": name })).await;
        assert_eq!(answer.status(), 422, "{name:?}");
    }
    // The name stands in mails to people who do not know the sender.
    for name in [
        "https://example.org",
        "Go to WWW.example.org",
        "example.org/win",
        "evil.example?x=1",
        "evil.example:8080",
        "evil\u{3002}example\u{2215}login",
        "ada@evil.example",
        "Eng\u{200b}ines",
    ] {
        let answer = post(&app, &ada, "", &json!({ "name": name })).await;
        assert_problem(&answer, 422, "invalid_input", &["name"]);
    }
    let name = json!({ "name": "Example.org R&D / Sales" });
    post(&app, &ada, "", &name).await.expect(201);
}

#[db_test]
async fn it_is_renamed_if_nobody_has_changed_it_since(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "One").await;
    let tag = get(&app, &ada, &format!("/{id}")).await;
    let tag = tag.header("etag").unwrap().to_owned();
    let path = format!("{ORGANIZATIONS}/{id}");
    let rename = async |name: &str| {
        let call = app.patch(&path).bearer(&ada.access).header("if-match", &tag);
        call.json(&json!({ "name": name })).send().await
    };
    assert_eq!(rename("Two").await.expect(200).value()["name"], "Two");
    assert_problem(&rename("Three").await, 412, "precondition_failed", &[]);
    assert_eq!(
        done_in(&app, &ada, &id).await,
        ["organization.update", "organization.create"]
    );
}

#[db_test]
async fn a_deleted_organization_is_refused_everywhere_and_can_be_restored(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let (verifier, _feed) = elsewhere(&app).await;
    assert!(verifier.verify(&bob.access).is_ok());
    assert_problem(
        &delete(&app, &bob, &id).await,
        403,
        "organization_role_required",
        &[],
    );
    let call = app.delete(&format!("{ORGANIZATIONS}/{id}")).bearer(&ada.access);
    let wrong = call.json(&json!({ "password": "not my password" })).send().await;
    assert_problem(&wrong, 422, "invalid_input", &["password"]);

    let deleted = delete(&app, &ada, &id).await.expect(200).value();
    assert!(deleted["purge_at"].is_string());
    assert_eq!(before_long(&verifier, &bob.access).await, Refused::Stale);
    let (ada, bob) = (again(&app, &ada).await, again(&app, &bob).await);
    assert_eq!(claims(&bob.access)["orgs"], json!(null));
    for path in ["", "/members", "/audit"] {
        let answer = get(&app, &ada, &format!("/{id}{path}")).await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
    // It is still listed, for its owners to restore it.
    assert_eq!(
        get(&app, &ada, "").await.expect(200).value()["items"][0]["id"],
        json!(id)
    );
    let restore = format!("/{id}/restore");
    assert_problem(
        &post(&app, &bob, &restore, &json!(null)).await,
        403,
        "organization_role_required",
        &[],
    );

    let path = format!("{ORGANIZATIONS}{restore}");
    app.post(&path).bearer(&ada.access).send().await.expect(200);
    let (ada, bob) = (again(&app, &ada).await, again(&app, &bob).await);
    assert_eq!(claims(&bob.access)["orgs"][0][1], "admin");
    assert_eq!(members(&app, &ada, &id).await.len(), 2);
    assert!(verifier.verify(&bob.access).is_ok(), "its version is a new one");
    assert_eq!(
        app.emitted_one::<OrganizationDeleted>(|_| true)
            .await
            .organization_id
            .to_string(),
        id
    );
}

#[db_test]
async fn what_a_deleted_organization_had_is_gone_after_the_time_of_grace(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    invite(&app, &ada, &id, "eve@example.org", "guest")
        .await
        .expect(201);
    delete(&app, &ada, &id).await.expect(200);
    app.advance(Duration::from_secs(29 * 86_400)).await;
    let left: i64 = value(&app, "SELECT count(*) FROM organizations").await;
    assert_eq!(left, 1, "it can still be restored");

    app.advance(Duration::from_secs(2 * 86_400)).await;
    eventually("the organization is purged", async || {
        let left: i64 = value(&app, "SELECT count(*) FROM organizations").await;
        left == 0
    })
    .await;
    let members: i64 = value(&app, "SELECT count(*) FROM organization_members").await;
    assert_eq!(members, 0);
    app.settle().await;
    assert_eq!(
        app.emitted_one::<OrganizationPurged>(|_| true)
            .await
            .organization_id
            .to_string(),
        id
    );
}

#[db_test]
async fn erasing_an_account_takes_its_own_organizations_along_and_strands_no_other(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    let (shared, ada) = found(&app, &ada, "Shared").await;
    let (_, ada) = found(&app, &ada, "Own").await;
    let bob = add(&app, &ada, &shared, &bob, "bob@example.org", "member").await;
    let erase = async |by: &crate::SignedIn| {
        let call = app.delete("/api/v1/auth/account").bearer(&by.access);
        call.json(&json!({ "password": PASSWORD })).send().await
    };
    assert_problem(&erase(&ada).await, 409, "last_owner", &[]);
    set_role(&app, &ada, &shared, bob.id, "owner").await.expect(204);
    let bob = again(&app, &bob).await;
    let export = app.get("/api/v1/auth/export").bearer(&ada.access).send().await;
    let organizations = export.expect(200).value()["organizations"].clone();
    assert_eq!(organizations.as_array().unwrap().len(), 2);

    erase(&ada).await.expect(204);
    assert_eq!(
        members(&app, &bob, &shared).await,
        [("bob@example.org".to_owned(), "owner".to_owned())]
    );
    app.advance(Duration::from_secs(3700)).await;
    eventually("the own organization is purged", async || {
        let names: Vec<String> = app
            .db()
            .fetch_all("SELECT name FROM organizations", &[])
            .await
            .unwrap();
        names == ["Shared"]
    })
    .await;
}

#[db_test]
async fn nobody_is_a_member_of_more_organizations_than_the_settings_say(app: Few) {
    let mut ada = register(&app, "ada@example.org").await;
    for n in 0..22 {
        let call = app.post(ORGANIZATIONS).bearer(&ada.access);
        let body = json!({ "name": n.to_string() });
        call.json(&body).send().await.expect(201);
        ada = again(&app, &ada).await;
    }
    let one_more = post(&app, &ada, "", &json!({ "name": "one more" })).await;
    assert_problem(&one_more, 409, "too_many_organizations", &[]);
    let claims = claims(&ada.access);
    assert_eq!(claims["orgs"].as_array().unwrap().len(), 20);
    assert_eq!(claims["more_orgs"], true);
    let first = get(&app, &ada, "?limit=15").await.expect(200).value();
    assert_eq!(first["items"].as_array().unwrap().len(), 15);
    let cursor = text(&first["next_cursor"]);
    let path = format!("?limit=15&cursor={cursor}");
    let second = get(&app, &ada, &path).await.expect(200).value();
    assert_eq!(second["items"].as_array().unwrap().len(), 7);
    // One that no token lists.
    let last = &second["items"][6]["id"];
    let asked = json!({ "action": "members.read", "resource_kind": "member", "owner_organization_id": last });
    let call = app.post("/api/v1/auth/explain").bearer(&ada.access);
    let explained = call.json(&asked).send().await.expect(200).value();
    assert_eq!(explained["reason"], "membership");
}

#[db_test]
async fn an_organization_whose_purge_has_begun_is_restored_by_nobody_whatever_their_clock_says(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    delete(&app, &ada, &id).await.expect(200);
    let ada = again(&app, &ada).await;
    // As the first transaction of the purge leaves it.
    let sql = "UPDATE organizations SET purge_at = created_at";
    app.db().execute(sql, &[]).await.unwrap();
    let path = format!("{ORGANIZATIONS}/{id}/restore");
    let answer = app.post(&path).bearer(&ada.access).send().await;
    assert_problem(&answer, 404, "not_found", &[]);
}

#[db_test]
async fn leaving_by_erasure_stands_in_the_audit_log_of_the_organization(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "guest").await;
    let call = app.delete("/api/v1/auth/account").bearer(&bob.access);
    call.json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    assert_eq!(done_in(&app, &ada, &id).await[0], "member.leave");
}

/// Only PostgreSQL locks rows; on SQLite writers take turns.
#[db_test]
async fn an_account_that_makes_an_organization_while_it_is_erased_leaves_none_without_an_owner(app: App) {
    if app.db().engine() != Engine::Postgres {
        return;
    }
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "First").await;
    let organization: stoa_kernel::OrganizationId = id.parse().unwrap();
    let mut holding = app.db().begin().await.unwrap();
    let hold = "UPDATE organizations SET version = version WHERE id = $1";
    holding.execute(hold, &[&organization]).await.unwrap();
    let call = app.delete("/api/v1/auth/account").bearer(&ada.access);
    let erasing = tokio::spawn(call.json(&json!({ "password": PASSWORD })).send());
    eventually("the erasure waits for the organization", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        value::<i64>(&app, sql).await > 0
    })
    .await;
    post(&app, &ada, "", &json!({ "name": "Second" }))
        .await
        .expect(201);
    holding.rollback().await;
    assert_problem(&erasing.await.unwrap(), 409, "conflict", &[]);
    let members: i64 = value(&app, "SELECT count(*) FROM organization_members").await;
    assert_eq!(members, 2);
}
