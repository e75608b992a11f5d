//! How the tables of organizations are read: by index, whatever their statistics say.

use std::time::Duration;

use serde_json::json;
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_testkit::eventually;

use super::{App, add, delete, found, get, invite, post, remove, reset_password, set_role, verified};
use crate::{PASSWORD, SignedIn, mailed_token, register};

/// A little of everything that people do with an organization.
async fn a_story(app: &App, owner: &SignedIn, name: &str) -> SignedIn {
    let (id, owner) = found(app, owner, "Engines").await;
    let email = format!("{name}@example.org");
    let member = register(app, &email).await;
    let member = add(app, &owner, &id, &member, &email, "member").await;
    set_role(app, &owner, &id, member.id, "admin").await.expect(204);
    for path in [
        "",
        "/members",
        "/members?role=admin",
        "/invitations",
        "/domains",
        "/api-keys",
        "/audit",
    ] {
        get(app, &owner, &format!("/{id}{path}")).await.expect(200);
    }
    get(app, &owner, "").await.expect(200);
    get(app, &owner, "/joinable").await.expect(200);
    let call = app.get("/api/v1/auth/invitations").bearer(&owner.access);
    call.send().await.expect(200);
    let claim = json!({ "domain": format!("{name}.example"), "mailbox": "admin", "role": "guest", "password": PASSWORD });
    post(app, &owner, &format!("/{id}/domains"), &claim)
        .await
        .expect(201);
    let token = mailed_token(app, "May people").await;
    let call = app.post("/api/v1/auth/domains/verify");
    call.json(&json!({ "token": token })).send().await.expect(200);
    let key = json!({ "name": "k", "scopes": ["members.read"], "role": "member", "password": PASSWORD });
    post(app, &owner, &format!("/{id}/api-keys"), &key)
        .await
        .expect(201);
    invite(app, &owner, &id, "nobody@example.org", "guest")
        .await
        .expect(201);
    remove(app, &owner, &id, member.id).await.expect(204);
    delete(app, &owner, &id).await.expect(200);
    super::again(app, &owner).await
}

#[db_test]
async fn organizations_are_read_by_index_whatever_was_analysed_and_however_much_there_is(app: App) {
    let statements = Statements::of(app.db());
    let owner = verified(&app, "owner@example.org").await;
    analyze(app.db()).await;
    let owner = a_story(&app, &owner, "one").await;
    a_story(&app, &owner, "two").await;
    reset_password(&app, "owner@example.org").await;
    app.advance(Duration::from_secs(31 * 86_400)).await;
    app.advance(Duration::from_secs(3700)).await;
    eventually("organizations are purged", async || {
        statements.any("DELETE FROM organizations")
    })
    .await;
    assert!(statements.count() > 20);
    for much in [false, true] {
        if much {
            add_organizations(app.db()).await;
        }
        let mut waste = statements.waste(app.db()).await;
        let ours = ["organization", "invitation", "api_keys"];
        // The test itself reads whole tables.
        let by_test =
            |sql: &str| sql.contains("$1 FROM accounts") || sql.contains("$1, $1 FROM organizations");
        waste.retain(|one| ours.iter().any(|table| one.sql.contains(table)) && !by_test(&one.sql));
        // What belongs to one person or is one organization's list of domains is little: it may be sorted.
        let little = [
            "WHERE m.user_id = $1",
            "WHERE user_id = $1",
            "FROM organization_domains",
        ];
        waste.retain(|one| {
            !(one.line.contains("ORDER BY") && little.iter().any(|part| one.sql.contains(part)))
        });
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

/// Organizations, each with a member and an invitation, and one with very many members.
async fn add_organizations(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)";
    let now = db.clock().now();
    for sql in [
        format!(
            "INSERT INTO accounts (id, email, email_key, password_hash, access_version, created_at, updated_at) \
             {numbers} SELECT {id}, 'x', 'x' || i, 'x', 0, $1, $1 FROM n"
        ),
        format!(
            "INSERT INTO organizations (id, name, version, access_version, created_at, updated_at) \
             {numbers} SELECT {id}, 'x', 1, 1, $1, $1 FROM n"
        ),
        "INSERT INTO organization_members (organization_id, user_id, role, created_at) \
         SELECT (SELECT id FROM organizations LIMIT 1), id, 'member', $1 FROM accounts"
            .to_owned(),
        format!(
            "INSERT INTO invitations (id, organization_id, email, email_key, role, invited_by, created_at, expires_at) \
             SELECT {id}, id, 'x', 'x', 'guest', (SELECT id FROM accounts LIMIT 1), $1, $1 FROM organizations"
        ),
    ] {
        db.execute(&sql, &[&now]).await.unwrap();
    }
}
