//! Why somebody may do something, or may not.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{
    App,
    admin::{give, helper, root},
    grants::grant,
    register, text,
};

async fn ask(app: &TestApp, token: &str, question: &Value) -> Answer {
    app.post("/api/v1/auth/explain")
        .bearer(token)
        .json(question)
        .send()
        .await
}

#[db_test]
async fn every_reason_is_told_with_what_it_rests_on(app: App) {
    let root = root(&app).await;
    let ada = helper(&app, &root, "reader", &["users.*"]).await;
    let file = Id::<()>::new(app.clock()).uuid();
    let given = grant(&app, &root, ada.id, "files.*", "file", file)
        .await
        .expect(201)
        .value();
    let question = |action: &str, id: Value, owner: Value| json!({ "action": action, "resource_kind": "file", "resource_id": id, "owner_id": owner });
    for (question, allowed, reason, via) in [
        (
            question("users.read", json!(null), json!(null)),
            true,
            "role",
            json!([{ "role": "reader", "permission": "users.*" }]),
        ),
        (
            question("files.read", json!(file), json!(ada.id)),
            true,
            "owner",
            json!([]),
        ),
        (
            question("files.read", json!(file), json!(root.id)),
            true,
            "grant",
            json!([{ "grant_id": text(&given["id"]), "permission": "files.*" }]),
        ),
        (
            question("files.read", json!(root.id), json!(root.id)),
            false,
            "no_rule",
            json!([]),
        ),
        (
            question("files.read", json!(null), json!(null)),
            false,
            "no_rule",
            json!([]),
        ),
    ] {
        let expected = json!({ "allowed": allowed, "reason": reason, "via": via });
        assert_eq!(
            ask(&app, &ada.access, &question).await.expect(200).value(),
            expected,
            "{question}"
        );
        let mut of_ada = question;
        of_ada["user_id"] = json!(ada.id);
        assert_eq!(
            ask(&app, &root.access, &of_ada).await.expect(200).value(),
            expected,
            "{of_ada}"
        );
    }
}

#[db_test]
async fn what_is_told_is_what_holds_now(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let question = json!({ "user_id": ada.id, "action": "users.read", "resource_kind": "profile" });
    let reason = async || ask(&app, &root.access, &question).await.expect(200).value()["reason"].clone();
    assert_eq!(reason().await, "no_rule");
    give(&app, &root, ada.id, "admin").await.expect(204);
    assert_eq!(reason().await, "role");
}

#[db_test]
async fn about_others_only_those_ask_who_may(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let auditor = helper(&app, &root, "auditor", &["access.explain"]).await;
    let about = |user: Value| json!({ "user_id": user, "action": "users.read", "resource_kind": "profile" });
    assert_problem(
        &ask(&app, &ada.access, &about(json!(root.id))).await,
        403,
        "forbidden",
        &[],
    );
    ask(&app, &ada.access, &about(json!(ada.id))).await.expect(200);
    ask(&app, &auditor.access, &about(json!(root.id)))
        .await
        .expect(200);
    let nobody = Id::<()>::new(app.clock());
    assert_problem(
        &ask(&app, &auditor.access, &about(json!(nobody))).await,
        404,
        "not_found",
        &[],
    );
    let bad = json!({ "action": "x", "resource_kind": "", "more": 1 });
    assert_problem(
        &ask(&app, &ada.access, &bad).await,
        422,
        "invalid_input",
        &["more"],
    );
}
