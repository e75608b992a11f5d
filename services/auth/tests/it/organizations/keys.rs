//! API keys that act for an organization.

use serde_json::{Value, json};
use stoa_auth_api::v1::StandingRequest;
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use super::{App, ORGANIZATIONS, add, again, delete, found, get, post, remove, set_role, verified};
use crate::{PASSWORD, SignedIn, register, rpc::client, text};

fn wanted(scopes: &[&str], role: &str) -> Value {
    json!({ "name": "import", "scopes": scopes, "role": role, "password": PASSWORD })
}

/// The id and the text of a new key.
async fn make(app: &TestApp, by: &SignedIn, id: &str, scopes: &[&str], role: &str) -> (String, String) {
    let answer = post(app, by, &format!("/{id}/api-keys"), &wanted(scopes, role)).await;
    let made = answer.expect(201).value();
    (text(&made["id"]), text(&made["key"]))
}

async fn by_key(app: &TestApp, key: &str, path: &str) -> Answer {
    app.get(path).api_key(key).send().await
}

#[db_test]
async fn a_key_acts_for_its_organization_alone_and_reaches_nothing_of_its_maker(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (one, ada) = found(&app, &ada, "One").await;
    let (two, ada) = found(&app, &ada, "Two").await;
    let (_, key) = make(&app, &ada, &one, &["members.*", "organizations.read"], "member").await;
    by_key(&app, &key, &format!("{ORGANIZATIONS}/{one}/members"))
        .await
        .expect(200);
    let list = by_key(&app, &key, ORGANIZATIONS).await.expect(200).value();
    let items = list["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["id"], &items[0]["role"]),
        (1, &json!(one), &json!("member"))
    );
    for path in ["", "/members"] {
        let answer = by_key(&app, &key, &format!("{ORGANIZATIONS}/{two}{path}")).await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
    for path in [
        "/api/v1/auth/me",
        "/api/v1/auth/export",
        "/api/v1/auth/api-keys",
        "/api/v1/auth/roles",
    ] {
        let answer = by_key(&app, &key, path).await;
        assert_eq!(answer.status(), 403, "{path}");
    }
    let (_, guest) = make(&app, &ada, &one, &["members.read"], "guest").await;
    let answer = by_key(&app, &guest, &format!("{ORGANIZATIONS}/{one}/members")).await;
    assert_problem(&answer, 403, "organization_role_required", &[]);
    let answer = by_key(&app, &guest, &format!("{ORGANIZATIONS}/{one}")).await;
    assert_problem(&answer, 403, "forbidden", &[]);
    let own = app.get("/api/v1/auth/api-keys").bearer(&ada.access).send().await;
    assert_eq!(
        own.expect(200).value()["items"],
        json!([]),
        "they are not among one's own"
    );
}

#[db_test]
async fn keys_are_made_by_admins_who_prove_who_they_are_within_what_roles_hold(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "One").await;
    let path = format!("/{id}/api-keys");
    let mut wrong = wanted(&["members.read"], "member");
    wrong["password"] = json!("not my password");
    let answer = post(&app, &ada, &path, &wrong).await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    for (scopes, role, field) in [
        (&["users.read"][..], "member", "scopes[0]"),
        (&["members.read", "profile.*"], "member", "scopes[1]"),
        (&["*"], "member", "scopes[0]"),
        (&["members.read"], "owner", "role"),
    ] {
        let answer = post(&app, &ada, &path, &wanted(scopes, role)).await;
        assert_problem(&answer, 422, "invalid_input", &[field]);
    }
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
    let answer = post(&app, &bob, &path, &wanted(&["members.read"], "guest")).await;
    assert_problem(&answer, 403, "organization_role_required", &[]);
    assert_problem(
        &get(&app, &bob, &path).await,
        403,
        "organization_role_required",
        &[],
    );
}

#[db_test]
async fn a_key_ends_with_its_removal_its_makers_role_and_its_organization(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "One").await;
    let bob = register(&app, "bob@example.org").await;
    let mut bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let members = format!("{ORGANIZATIONS}/{id}/members");
    let refused = async |key: &str| {
        eventually("the key is refused", async || {
            by_key(&app, key, &members).await.status() == 401
        })
        .await;
    };
    let (key_id, key) = make(&app, &ada, &id, &["members.read"], "member").await;
    by_key(&app, &key, &members).await.expect(200);
    let path = format!("{ORGANIZATIONS}/{id}/api-keys/{key_id}");
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    refused(&key).await;

    for (role, ends) in [("member", true), ("owner", false)] {
        let (_, key) = make(&app, &bob, &id, &["members.read"], "member").await;
        by_key(&app, &key, &members).await.expect(200);
        set_role(&app, &ada, &id, bob.id, role).await.expect(204);
        if ends {
            refused(&key).await;
        } else {
            by_key(&app, &key, &members).await.expect(200);
        }
        set_role(&app, &ada, &id, bob.id, "admin").await.expect(204);
        bob = again(&app, &bob).await;
    }
    let (_, key) = make(&app, &bob, &id, &["members.read"], "member").await;
    remove(&app, &ada, &id, bob.id).await.expect(204);
    refused(&key).await;

    let (_, key) = make(&app, &ada, &id, &["members.read"], "member").await;
    by_key(&app, &key, &members).await.expect(200);
    delete(&app, &ada, &id).await.expect(200);
    refused(&key).await;
}

#[db_test]
async fn who_acts_by_a_credential_of_another_service_is_told_as_it_is_now(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (one, ada) = found(&app, &ada, "One").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &one, &bob, "bob@example.org", "admin").await;
    let ask = async |organization: Option<&str>| {
        let request = StandingRequest {
            user_id: bob.id.to_string(),
            organization_id: organization.map(str::to_owned),
            scopes: vec!["objects.read".to_owned()],
        };
        let answer = client(&app).standing(request).await.unwrap();
        answer.into_inner().principal
    };
    let role = async || {
        let principal = ask(Some(&one)).await?;
        assert_eq!(principal.organization_id.as_ref(), Some(&one));
        assert!(principal.permissions.is_empty() && principal.scopes == ["objects.read"]);
        Some(principal.memberships[0].role.clone())
    };
    let own = ask(None).await.unwrap();
    assert_eq!((own.organization_id, own.memberships.len()), (None, 1));
    assert_eq!(role().await.as_deref(), Some("admin"));
    set_role(&app, &ada, &one, bob.id, "guest").await.expect(204);
    assert_eq!(role().await.as_deref(), Some("guest"));
    remove(&app, &ada, &one, bob.id).await.expect(204);
    assert_eq!(role().await, None);
    assert!(ask(None).await.is_some());
    let root = crate::admin::root(&app).await;
    crate::admin::turn(&app, &root, bob.id, "disable")
        .await
        .expect(204);
    let request = StandingRequest {
        user_id: bob.id.to_string(),
        ..StandingRequest::default()
    };
    let gone = client(&app).standing(request).await.unwrap().into_inner();
    assert!(gone.principal.is_none());
    for (user_id, organization_id) in [("x", None), (ada.id.to_string().as_str(), Some("x"))] {
        let request = StandingRequest {
            user_id: user_id.to_owned(),
            organization_id: organization_id.map(str::to_owned),
            scopes: Vec::new(),
        };
        let refused = client(&app).standing(request).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    let (id, ada) = found(&app, &ada, "Two").await;
    delete(&app, &ada, &id).await.expect(200);
    let request = StandingRequest {
        user_id: ada.id.to_string(),
        organization_id: Some(id),
        scopes: Vec::new(),
    };
    let deleted = client(&app).standing(request).await.unwrap().into_inner();
    assert!(deleted.principal.is_none());
}
