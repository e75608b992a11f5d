//! Roles: made, changed, given; and that nobody raises themself by them.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{
    App, SignedIn,
    admin::{give, helper, root, sign_in, take},
    audited, claims, me, refresh, register,
};

async fn make(app: &TestApp, by: &SignedIn, name: &str, permissions: &[&str]) -> Answer {
    let body = json!({ "name": name, "description": "for tests", "permissions": permissions });
    app.post("/api/v1/auth/roles")
        .bearer(&by.access)
        .json(&body)
        .send()
        .await
}

async fn change(app: &TestApp, by: &SignedIn, name: &str, permissions: &[&str], if_match: &str) -> Answer {
    let body = json!({ "description": "changed", "permissions": permissions });
    let call = app.put(&format!("/api/v1/auth/roles/{name}")).bearer(&by.access);
    call.header("if-match", if_match).json(&body).send().await
}

async fn read(app: &TestApp, by: &SignedIn, name: &str) -> Answer {
    app.get(&format!("/api/v1/auth/roles/{name}"))
        .bearer(&by.access)
        .send()
        .await
}

async fn remove(app: &TestApp, by: &SignedIn, name: &str) -> Answer {
    app.delete(&format!("/api/v1/auth/roles/{name}"))
        .bearer(&by.access)
        .send()
        .await
}

async fn permissions(app: &TestApp, token: &str) -> Value {
    me(app, token).await.expect(200).value()["permissions"].clone()
}

#[db_test]
async fn a_role_lives_and_ends(app: App) {
    let root = root(&app).await;
    let made = make(&app, &root, "support", &["users.read", "files.*", "users.read"])
        .await
        .expect(201);
    assert_eq!(made.header("etag"), Some("\"1\""));
    let role = json!({ "name": "support", "description": "for tests", "permissions": ["files.*", "users.read"], "built_in": false });
    assert_eq!(made.value(), role);
    assert_problem(&make(&app, &root, "support", &[]).await, 409, "role_exists", &[]);
    assert_eq!(read(&app, &root, "support").await.expect(200).value(), role);

    assert_problem(
        &change(&app, &root, "support", &[], "\"7\"").await,
        412,
        "precondition_failed",
        &[],
    );
    let changed = change(&app, &root, "support", &["users.read"], "\"1\"")
        .await
        .expect(200);
    assert_eq!(
        (changed.header("etag"), &changed.value()["description"]),
        (Some("\"2\""), &json!("changed"))
    );
    assert_eq!(read(&app, &root, "support").await.value(), changed.value());

    remove(&app, &root, "support").await.expect(204);
    assert_problem(&read(&app, &root, "support").await, 404, "not_found", &[]);
    assert_problem(&remove(&app, &root, "support").await, 404, "not_found", &[]);
    assert_problem(
        &change(&app, &root, "support", &[], "*").await,
        404,
        "not_found",
        &[],
    );
    let log = audited(&app).await;
    for action in ["role.create", "role.update", "role.remove"] {
        assert_eq!(log.iter().filter(|one| *one == action).count(), 1, "{action}");
    }
}

#[db_test]
async fn roles_come_in_pages_by_name(app: App) {
    let root = root(&app).await;
    for name in ["zeta", "beta", "alpha"] {
        make(&app, &root, name, &["users.read", "files.read"])
            .await
            .expect(201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/auth/roles?limit=2{cursor}");
        let page = app
            .get(&path)
            .bearer(&root.access)
            .send()
            .await
            .expect(200)
            .value();
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|role| crate::text(&role["name"])),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["admin", "alpha", "beta", "user", "zeta"]);
}

#[db_test]
async fn what_is_no_role_is_refused(app: App) {
    let root = root(&app).await;
    for name in ["", "Support", "1st", "a b", "ä", &"a".repeat(51)] {
        assert_problem(
            &make(&app, &root, name, &[]).await,
            422,
            "invalid_input",
            &["name"],
        );
    }
    let bad = [
        "users",
        "users.",
        "*.read",
        "users.read.all",
        "roles.grant",
        "audit.write",
        "Users.read",
        "**",
    ];
    for permission in bad {
        let answer = make(&app, &root, "support", &["users.read", permission]).await;
        assert_problem(&answer, 422, "invalid_input", &["permissions[1]"]);
    }
}

#[db_test]
async fn our_own_roles_stay_as_they_are(app: App) {
    let root = root(&app).await;
    for name in ["admin", "user"] {
        assert_problem(
            &change(&app, &root, name, &["users.read"], "*").await,
            409,
            "role_built_in",
            &[],
        );
        assert_problem(&remove(&app, &root, name).await, 409, "role_built_in", &[]);
    }
    let ada = register(&app, "ada@example.org").await;
    assert_eq!(claims(&ada.access)["roles"], json!(["user"]));
    assert_eq!(claims(&ada.access)["perms"], json!([]));
}

#[db_test]
async fn a_change_holds_at_once(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    make(&app, &root, "support", &["roles.read"]).await.expect(201);
    assert_problem(&read(&app, &ada, "support").await, 403, "forbidden", &[]);

    give(&app, &root, ada.id, "support").await.expect(204);
    assert_problem(&read(&app, &ada, "support").await, 401, "token_stale", &[]);
    let ada = SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    assert_eq!(claims(&ada.access)["roles"], json!(["support", "user"]));
    read(&app, &ada, "support").await.expect(200);
    give(&app, &root, ada.id, "support").await.expect(204);
    read(&app, &ada, "support").await.expect(200); // Nothing has changed, so the token is as good as before.

    let current = read(&app, &root, "support").await;
    let tag = current.header("etag").unwrap();
    change(&app, &root, "support", &["roles.read", "users.read"], tag)
        .await
        .expect(200);
    assert_problem(&me(&app, &ada.access).await, 401, "token_stale", &[]);
    let ada = SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    assert_eq!(
        permissions(&app, &ada.access).await,
        json!(["roles.read", "users.read"])
    );

    take(&app, &root, ada.id, "support").await.expect(204);
    assert_problem(&me(&app, &ada.access).await, 401, "token_stale", &[]);
    assert_problem(&take(&app, &root, ada.id, "support").await, 404, "not_found", &[]);
    let ada = SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    assert_eq!(permissions(&app, &ada.access).await, json!([]));

    give(&app, &root, ada.id, "support").await.expect(204);
    let ada = SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    remove(&app, &root, "support").await.expect(204);
    assert_problem(&me(&app, &ada.access).await, 401, "token_stale", &[]);
    let ada = SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    assert_eq!(claims(&ada.access)["roles"], json!(["user"]));
    me(&app, &root.access).await.expect(200);
}

#[db_test]
async fn nobody_gives_what_they_do_not_hold(app: App) {
    let root = root(&app).await;
    let deputy = helper(&app, &root, "deputy", &["roles.*", "users.read"]).await;
    let ada = register(&app, "ada@example.org").await;
    make(&app, &root, "strong", &["audit.read"]).await.expect(201);

    for permission in ["*", "users.*", "users.write", "audit.read"] {
        let answer = make(&app, &deputy, "own", &[permission]).await;
        assert_problem(&answer, 403, "permission_not_held", &[]);
        let answer = change(
            &app,
            &deputy,
            "deputy",
            &["roles.*", "users.read", permission],
            "*",
        )
        .await;
        assert_problem(&answer, 403, "permission_not_held", &[]);
    }
    for role in ["admin", "strong"] {
        for user in [deputy.id, ada.id] {
            assert_problem(
                &give(&app, &deputy, user, role).await,
                403,
                "permission_not_held",
                &[],
            );
        }
    }
    assert_problem(
        &take(&app, &deputy, root.id, "admin").await,
        403,
        "permission_not_held",
        &[],
    );
    assert_problem(
        &change(&app, &deputy, "strong", &[], "*").await,
        403,
        "permission_not_held",
        &[],
    );
    assert_problem(
        &remove(&app, &deputy, "strong").await,
        403,
        "permission_not_held",
        &[],
    );
    assert_eq!(
        permissions(&app, &deputy.access).await,
        json!(["roles.*", "users.read"])
    );

    make(&app, &deputy, "reader", &["users.read", "roles.read"])
        .await
        .expect(201);
    give(&app, &deputy, ada.id, "reader").await.expect(204);
    let ada = sign_in(&app, "ada@example.org").await;
    assert_eq!(
        permissions(&app, &ada.access).await,
        json!(["roles.read", "users.read"])
    );
    assert_problem(&make(&app, &ada, "mine", &[]).await, 403, "forbidden", &[]);
    assert_problem(&give(&app, &ada, ada.id, "reader").await, 403, "forbidden", &[]);
}

#[db_test]
async fn roles_are_given_to_those_who_are_there(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    assert_problem(&give(&app, &root, ada.id, "nothing").await, 404, "not_found", &[]);
    assert_problem(
        &give(&app, &root, Id::new(app.clock()), "admin").await,
        404,
        "not_found",
        &[],
    );
    let path = "/api/v1/auth/users/nobody/roles/admin";
    assert_problem(
        &app.put(path).bearer(&root.access).send().await,
        404,
        "not_found",
        &[],
    );
}

#[db_test]
async fn auth_knows_the_permissions_that_its_endpoints_ask_for(app: App) {
    use stoa_http::openapi::Access;
    let root = root(&app).await;
    let asked: std::collections::BTreeSet<_> = app
        .routes()
        .into_iter()
        .filter_map(|route| match route.access {
            Access::Permission(name) => Some(name),
            Access::Public | Access::SignedIn | Access::Unstated => None,
        })
        .collect();
    let names: Vec<&str> = asked.iter().map(String::as_str).collect();
    assert!(names.len() >= 8, "{names:?}");
    make(&app, &root, "all", &names).await.expect(201);
}

#[db_test]
async fn nobody_gives_or_takes_the_role_of_somebody_who_may_do_more(app: App) {
    let root = root(&app).await;
    let helper = helper(&app, &root, "helper", &["roles.assign"]).await;
    let body = json!({ "name": "badge", "permissions": [] });
    let call = app.post("/api/v1/auth/roles").bearer(&root.access).json(&body);
    call.send().await.expect(201);
    for answer in [
        give(&app, &helper, root.id, "badge").await,
        take(&app, &helper, root.id, "badge").await,
        take(&app, &helper, root.id, "user").await,
    ] {
        assert_problem(&answer, 403, "permission_not_held", &[]);
    }
    me(&app, &root.access).await.expect(200);
    give(&app, &helper, helper.id, "badge").await.expect(204);
    let ada = register(&app, "ada@example.org").await;
    give(&app, &root, ada.id, "badge").await.expect(204);
}
