//! Permissions on one thing.

use serde_json::{Value, json};
use stoa_auth_api::Access;
use stoa_db::db_test;
use stoa_kernel::{Id, Principal, PrincipalKind, Reason, Resource, UserId};
use stoa_testkit::{Answer, TestApp, assert_problem};
use uuid::Uuid;

use crate::{
    App, SignedIn,
    admin::{helper, root},
    audited, register, text,
};

fn thing(app: &TestApp) -> Uuid {
    Id::<()>::new(app.clock()).uuid()
}

pub(crate) async fn grant(
    app: &TestApp,
    by: &SignedIn,
    user: UserId,
    action: &str,
    kind: &str,
    id: Uuid,
) -> Answer {
    let body = json!({ "user_id": user, "action": action, "resource_kind": kind, "resource_id": id });
    app.post("/api/v1/auth/grants")
        .bearer(&by.access)
        .json(&body)
        .send()
        .await
}

async fn list(app: &TestApp, by: &SignedIn, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/auth/grants{query}");
    let page = app.get(&path).bearer(&by.access).send().await.expect(200).value();
    page["items"].as_array().unwrap().clone()
}

fn person(user: UserId) -> Principal {
    Principal::new(PrincipalKind::User, user)
}

#[db_test]
async fn a_grant_holds_at_once_until_it_is_taken_back(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let file = thing(&app);
    let access = Access::new(&app.env().rpc);
    let may = async |action: &str, kind: &str, id: Uuid| {
        let resource = Resource {
            kind,
            id: Some(id),
            owner: None,
        };
        access
            .allow(&person(ada.id), action, &resource)
            .await
            .unwrap()
            .reason
    };
    assert_eq!(may("files.read", "file", file).await, Reason::NoRule);

    let made = grant(&app, &root, ada.id, "files.read", "file", file)
        .await
        .expect(201)
        .value();
    assert_eq!(
        (&made["user_id"], &made["granted_by"]),
        (&json!(ada.id), &json!(root.id))
    );
    assert_eq!(may("files.read", "file", file).await, Reason::Grant);
    assert_eq!(may("files.write", "file", file).await, Reason::NoRule);
    assert_eq!(may("files.read", "folder", file).await, Reason::NoRule);
    assert_eq!(may("files.read", "file", thing(&app)).await, Reason::NoRule);
    assert_problem(
        &grant(&app, &root, ada.id, "files.read", "file", file).await,
        409,
        "grant_exists",
        &[],
    );

    let path = format!("/api/v1/auth/grants/{}", text(&made["id"]));
    app.delete(&path).bearer(&root.access).send().await.expect(204);
    assert_eq!(may("files.read", "file", file).await, Reason::NoRule);
    assert_problem(
        &app.delete(&path).bearer(&root.access).send().await,
        404,
        "not_found",
        &[],
    );
    let log = audited(&app).await;
    for action in ["grant.create", "grant.remove"] {
        assert_eq!(log.iter().filter(|one| *one == action).count(), 1, "{action}");
    }
}

#[db_test]
async fn grants_are_filtered_and_come_newest_first(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    let (one, other) = (thing(&app), thing(&app));
    for (user, kind, id) in [
        (ada.id, "file", one),
        (ada.id, "folder", other),
        (bob.id, "file", one),
    ] {
        grant(&app, &root, user, "files.*", kind, id).await.expect(201);
    }
    let all = list(&app, &root, "").await;
    assert_eq!(
        all.iter()
            .map(|grant| text(&grant["user_id"]))
            .collect::<Vec<_>>(),
        [bob.id, ada.id, ada.id].map(|id| id.to_string())
    );
    assert_eq!(list(&app, &root, &format!("?user_id={}", ada.id)).await, all[1..]);
    assert_eq!(
        list(&app, &root, &format!("?resource_id={one}")).await,
        [all[0].clone(), all[2].clone()]
    );
    assert_eq!(
        list(&app, &root, &format!("?resource_kind=folder&user_id={}", ada.id)).await,
        all[1..2]
    );
    assert_eq!(list(&app, &root, "?limit=2").await, all[..2]);
    let answer = app
        .get("/api/v1/auth/grants?user_id=ada")
        .bearer(&root.access)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["user_id"]);
}

#[db_test]
async fn nobody_grants_or_takes_back_what_they_do_not_hold(app: App) {
    let root = root(&app).await;
    let deputy = helper(&app, &root, "deputy", &["grants.*", "files.read"]).await;
    let file = thing(&app);
    for action in ["*", "files.*", "files.write", "roles.write"] {
        for user in [deputy.id, root.id] {
            let answer = grant(&app, &deputy, user, action, "file", file).await;
            assert_problem(&answer, 403, "permission_not_held", &[]);
        }
    }
    grant(&app, &deputy, root.id, "files.read", "file", file)
        .await
        .expect(201);
    let made = grant(&app, &root, deputy.id, "files.write", "file", file)
        .await
        .expect(201)
        .value();
    let path = format!("/api/v1/auth/grants/{}", text(&made["id"]));
    let answer = app.delete(&path).bearer(&deputy.access).send().await;
    assert_problem(&answer, 403, "permission_not_held", &[]);
    assert_eq!(list(&app, &root, "").await.len(), 2);
    // What was granted on one thing is not held on all, and so cannot be handed on.
    let answer = grant(&app, &deputy, root.id, "files.write", "file", file).await;
    assert_problem(&answer, 403, "permission_not_held", &[]);
}

#[db_test]
async fn what_is_no_grant_is_refused(app: App) {
    let root = root(&app).await;
    let nobody = Id::new(app.clock());
    let answer = grant(&app, &root, nobody, "files.read", "file", thing(&app)).await;
    assert_problem(&answer, 422, "invalid_input", &["user_id"]);
    let answer = grant(&app, &root, root.id, "files", "File", thing(&app)).await;
    assert_problem(&answer, 422, "invalid_input", &["action", "resource_kind"]);
    register(&app, "ada@example.org").await; // The database still works.
}
