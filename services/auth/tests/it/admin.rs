//! Administrators, made from the command line, and what they do to other people's accounts.

use serde_json::{Value, json};
use stoa_auth::{AdminError, Existing, create_admin};
use stoa_db::db_test;
use stoa_kernel::{Id, UserId};
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{App, PASSWORD, SignedIn, audited, config, login, me, refresh, register, text, value};

const NEW: &str = "another good one";

/// An administrator.
pub(crate) async fn root(app: &TestApp) -> SignedIn {
    let config = config(|_| {});
    create_admin(app.db(), &config, "root@example.org", PASSWORD, Existing::Refuse)
        .await
        .unwrap();
    sign_in(app, "root@example.org").await
}

pub(crate) async fn sign_in(app: &TestApp, email: &str) -> SignedIn {
    SignedIn::of(&login(app, email, PASSWORD).await.expect(200))
}

/// Somebody new with a role of this name that permits this.
pub(crate) async fn helper(app: &TestApp, root: &SignedIn, role: &str, permissions: &[&str]) -> SignedIn {
    let email = format!("{role}@example.org");
    let somebody = register(app, &email).await;
    let body = json!({ "name": role, "permissions": permissions });
    let call = app.post("/api/v1/auth/roles").bearer(&root.access).json(&body);
    call.send().await.expect(201);
    give(app, root, somebody.id, role).await.expect(204);
    sign_in(app, &email).await
}

pub(crate) async fn give(app: &TestApp, by: &SignedIn, user: UserId, role: &str) -> Answer {
    let path = format!("/api/v1/auth/users/{user}/roles/{role}");
    app.put(&path).bearer(&by.access).send().await
}

pub(crate) async fn take(app: &TestApp, by: &SignedIn, user: UserId, role: &str) -> Answer {
    let path = format!("/api/v1/auth/users/{user}/roles/{role}");
    app.delete(&path).bearer(&by.access).send().await
}

pub(crate) async fn turn(app: &TestApp, by: &SignedIn, user: UserId, how: &str) -> Answer {
    let path = format!("/api/v1/auth/users/{user}/{how}");
    app.post(&path).bearer(&by.access).send().await
}

async fn find(app: &TestApp, by: &SignedIn, query: &str) -> Value {
    let path = format!("/api/v1/auth/users{query}");
    app.get(&path).bearer(&by.access).send().await.expect(200).value()
}

fn emails(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| text(&item["email"])).collect()
}

#[db_test]
async fn an_administrator_is_made_and_signs_in(app: App) {
    let config = config(|_| {});
    let admin = create_admin(app.db(), &config, "Root@Example.org", PASSWORD, Existing::Refuse)
        .await
        .unwrap();
    assert!(admin.created);
    let body = login(&app, "root@example.org", PASSWORD)
        .await
        .expect(200)
        .value();
    assert_eq!(body["user"]["email_verified"], true);
    assert!(
        body["user"]["roles"]
            .as_array()
            .unwrap()
            .contains(&"admin".into()),
        "{body}"
    );
    assert!(audited(&app).await.contains(&"role.assign".to_owned()));
}

#[db_test]
async fn an_account_that_anybody_may_have_registered_is_not_made_an_administrator(app: App) {
    let squatter = register(&app, "root@example.org").await;
    let config = config(|_| {});
    let refused = create_admin(app.db(), &config, "Root@example.org", NEW, Existing::Refuse).await;
    assert!(matches!(refused, Err(AdminError::HasAccount)), "{refused:?}");
    let body = me(&app, &squatter.access).await.expect(200).value();
    assert_eq!(body["roles"], json!(["user"]));
    login(&app, "root@example.org", PASSWORD).await.expect(200);
}

#[db_test]
async fn an_account_that_is_taken_over_keeps_nothing_of_who_had_it(app: App) {
    let squatter = register(&app, "root@example.org").await;
    let (_, key) = crate::api_keys::make(&app, &squatter, &["account.read"]).await;
    crate::totp::enrolled(&app, &squatter).await;
    let call = app.post("/api/v1/auth/organizations").bearer(&squatter.access);
    call.json(&json!({ "name": "Theirs" })).send().await.expect(201);
    let config = config(|_| {});
    let weak = create_admin(app.db(), &config, "root@example.org", "short", Existing::TakeOver).await;
    assert!(weak.is_err(), "{weak:?}");

    let admin = create_admin(app.db(), &config, "root@example.org", NEW, Existing::TakeOver).await;
    let admin = admin.unwrap();
    assert_eq!((admin.user_id, admin.created), (squatter.id, false));
    assert_problem(
        &refresh(&app, &squatter.refresh).await,
        401,
        "refresh_invalid",
        &[],
    );
    let old = login(&app, "root@example.org", PASSWORD).await;
    assert_problem(&old, 401, "invalid_credentials", &[]);
    let by_key = app.get("/api/v1/auth/me").api_key(&key).send().await;
    assert_problem(&by_key, 401, "unauthenticated", &[]);
    let body = login(&app, "root@example.org", NEW).await.expect(200).value();
    assert_eq!(body["user"]["email_verified"], true);
    assert!(
        body["user"]["roles"]
            .as_array()
            .unwrap()
            .contains(&"admin".into()),
        "{body}"
    );
    let left: i64 = value(
        &app,
        "SELECT (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM totp) + (SELECT count(*) FROM recovery_codes)",
    )
    .await;
    assert_eq!(left, 0);
    let active: i64 = value(&app, "SELECT count(*) FROM organizations WHERE purge_at IS NULL").await;
    assert_eq!(active, 0);
    assert!(audited(&app).await.contains(&"account.take_over".to_owned()));
}

#[db_test]
async fn what_cannot_be_an_administrator_is_refused(app: App) {
    let config = config(|_| {});
    for (email, password) in [
        ("nobody", PASSWORD),
        ("root@example.org", "short"),
        ("root@example.org", "password123"),
    ] {
        assert!(
            create_admin(app.db(), &config, email, password, Existing::TakeOver)
                .await
                .is_err(),
            "{email} {password}"
        );
    }
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM accounts").await, 0);
}

#[db_test]
async fn accounts_are_found_by_part_of_their_address(app: App) {
    let root = root(&app).await;
    for email in [
        "Ada@example.org",
        "bob_b@example.org",
        "bobxb@example.org",
        "100%@example.org",
    ] {
        register(&app, email).await;
    }
    assert_eq!(emails(&find(&app, &root, "?q=ADA").await), ["Ada@example.org"]);
    assert_eq!(
        emails(&find(&app, &root, "?q=bob_b").await),
        ["bob_b@example.org"]
    );
    assert_eq!(
        emails(&find(&app, &root, "?q=0%25%40").await),
        ["100%@example.org"]
    );
    assert_eq!(emails(&find(&app, &root, "?q=%5C").await), [""; 0]);
    assert_eq!(emails(&find(&app, &root, "?q=%27%20OR%201%3D1--").await), [""; 0]);
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = find(&app, &root, &format!("?limit=2{cursor}")).await;
        all.extend(emails(&page));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(
        all,
        [
            "100%@example.org",
            "bobxb@example.org",
            "bob_b@example.org",
            "Ada@example.org",
            "root@example.org"
        ]
    );
}

#[db_test]
async fn who_looks_at_an_account_is_written_down(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let path = |id: UserId| format!("/api/v1/auth/users/{id}");
    let read = app.get(&path(ada.id)).bearer(&root.access).send().await;
    let account = read.expect(200).value();
    assert_eq!(account["email"], "ada@example.org");
    assert_eq!(
        (&account["roles"], &account["disabled_at"]),
        (&json!(["user"]), &Value::Null)
    );
    find(&app, &root, "?q=ada").await;
    let filter = stoa_audit::Filter {
        actor: Some(root.id),
        limit: 2,
        ..Default::default()
    };
    let records = stoa_audit::list(app.db(), &filter).await.unwrap();
    assert_eq!(
        (records[1].action.as_str(), records[1].resource_id),
        ("account.read", Some(ada.id.uuid()))
    );
    assert_eq!(
        (records[0].action.as_str(), &records[0].detail),
        ("account.list", &json!({ "user_ids": [ada.id] }))
    );
    // Only those on the page, and not the one that says that there is another page.
    register(&app, "bob@example.org").await;
    find(&app, &root, "?limit=1").await;
    let newest = stoa_audit::list(app.db(), &filter).await.unwrap().remove(0);
    let shown = newest.detail["user_ids"].as_array().unwrap().len();
    assert_eq!((newest.action.as_str(), shown), ("account.list", 1));
    let nobody = app
        .get(&path(Id::new(app.clock())))
        .bearer(&root.access)
        .send()
        .await;
    assert_problem(&nobody, 404, "not_found", &[]);
}

#[db_test]
async fn a_disabled_account_is_shut_at_once_and_opens_again(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    turn(&app, &root, ada.id, "disable").await.expect(204);
    turn(&app, &root, ada.id, "disable").await.expect(204);
    assert_problem(&me(&app, &ada.access).await, 401, "token_revoked", &[]);
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_invalid", &[]);
    let refused = login(&app, "ada@example.org", PASSWORD).await;
    assert_problem(&refused, 401, "invalid_credentials", &[]);
    assert!(find(&app, &root, "?q=ada").await["items"][0]["disabled_at"].is_string());
    turn(&app, &root, ada.id, "enable").await.expect(204);
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
    let log = audited(&app).await;
    let count = |action: &str| log.iter().filter(|one| *one == action).count();
    assert_eq!((count("account.disable"), count("account.enable")), (1, 1));
    let nobody = Id::new(app.clock());
    assert_problem(&turn(&app, &root, nobody, "disable").await, 404, "not_found", &[]);
}

#[db_test]
async fn the_last_administrator_stays(app: App) {
    let root = root(&app).await;
    assert_problem(&take(&app, &root, root.id, "admin").await, 409, "last_admin", &[]);
    assert_problem(
        &turn(&app, &root, root.id, "disable").await,
        409,
        "last_admin",
        &[],
    );
    let body = json!({ "password": PASSWORD });
    let erase = app
        .delete("/api/v1/auth/account")
        .bearer(&root.access)
        .json(&body);
    assert_problem(&erase.send().await, 409, "last_admin", &[]);
    me(&app, &root.access).await.expect(200);

    let ada = register(&app, "ada@example.org").await;
    give(&app, &root, ada.id, "admin").await.expect(204);
    turn(&app, &root, ada.id, "disable").await.expect(204);
    let answer = take(&app, &root, root.id, "admin").await;
    assert_problem(&answer, 409, "last_admin", &[]); // The other one cannot sign in.
    turn(&app, &root, ada.id, "enable").await.expect(204);
    take(&app, &root, root.id, "admin").await.expect(204);
}

#[db_test]
async fn of_two_administrators_that_remove_each_other_one_stays(app: App) {
    root(&app).await;
    register(&app, "ada@example.org").await;
    for _ in 0..5 {
        for email in ["root@example.org", "ada@example.org"] {
            create_admin(app.db(), &config(|_| {}), email, PASSWORD, Existing::TakeOver)
                .await
                .unwrap();
        }
        let root = sign_in(&app, "root@example.org").await;
        let ada = sign_in(&app, "ada@example.org").await;
        let (one, other) = futures::future::join(
            take(&app, &root, ada.id, "admin"),
            take(&app, &ada, root.id, "admin"),
        )
        .await;
        let left: i64 = value(&app, "SELECT count(*) FROM user_roles WHERE role = 'admin'").await;
        assert_eq!(left, 1, "{} {}", one.text(), other.text());
    }
}

#[db_test]
async fn nobody_disables_who_may_do_more_than_they(app: App) {
    let root = root(&app).await;
    let helper = helper(&app, &root, "helper", &["accounts.write", "accounts.read"]).await;
    let ada = register(&app, "ada@example.org").await;
    turn(&app, &helper, ada.id, "disable").await.expect(204);
    turn(&app, &helper, ada.id, "enable").await.expect(204);
    let answer = turn(&app, &helper, root.id, "disable").await;
    assert_problem(&answer, 403, "permission_not_held", &[]);
    let answer = turn(&app, &ada, helper.id, "disable").await;
    assert_problem(&answer, 401, "token_revoked", &[]);
    let ada = sign_in(&app, "ada@example.org").await;
    assert_problem(
        &turn(&app, &ada, helper.id, "disable").await,
        403,
        "forbidden",
        &[],
    );
}
