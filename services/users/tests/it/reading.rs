//! Reading somebody else's profile: who may, and that it is written down.

use serde_json::json;
use stoa_auth_api::testing::FakeAuth;
use stoa_db::db_test;
use stoa_testkit::assert_problem;

use crate::helpers::{App, activity, register};

#[db_test]
async fn one_reads_oneself_without_anybody_noticing(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let path = format!("/api/v1/users/{user}");
    let profile = app
        .get(&path)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200);
    assert_eq!(profile.value()["first_name"], "Ada");
    assert!(profile.header("etag").is_some());
    assert!(activity(&app, user).await.is_empty());
    assert!(app.audited("profile.read").await.is_empty());
}

#[db_test]
async fn whoever_may_read_is_written_down(app: App) {
    let (user, admin) = (register(&app, "Ada", "Lovelace").await, app.new_user());
    let path = format!("/api/v1/users/{user}");
    let token = app.token(admin, &["users.read"]);
    assert_eq!(
        app.get(&path).bearer(&token).send().await.expect(200).value()["last_name"],
        "Lovelace"
    );

    let entries = activity(&app, user).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["action"], &entries[0]["actor_id"]),
        (&json!("profile.read"), &json!(admin))
    );
    let entry = &app.audited("profile.read").await[0];
    assert_eq!((entry.actor, entry.resource_id), (Some(admin), Some(user.uuid())));

    let missing = format!("/api/v1/users/{}", app.new_user());
    assert_problem(
        &app.get(&missing).bearer(&token).send().await,
        404,
        "not_found",
        &[],
    );
    assert_problem(
        &app.get("/api/v1/users/nobody").bearer(&token).send().await,
        404,
        "not_found",
        &[],
    );
}

#[db_test]
async fn others_are_refused_alike_whether_there_is_such_a_person(app: App) {
    let (reader, there, missing) = (app.new_user(), app.new_user(), app.new_user());
    crate::helpers::emit_registered(&app, there, "Ada", "Lovelace").await;
    app.settle().await;
    let mut answers = Vec::new();
    for user in [there, missing] {
        let answer = app
            .get(&format!("/api/v1/users/{user}"))
            .bearer(&app.token(reader, &[]))
            .send()
            .await;
        assert_problem(&answer, 403, "forbidden", &[]);
        let mut problem = answer.problem();
        problem.request_id = None;
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(activity(&app, there).await.is_empty());
}

#[db_test]
async fn a_grant_opens_one_profile(app: App) {
    let (reader, friend, stranger) = (app.new_user(), app.new_user(), app.new_user());
    app.stand_in::<FakeAuth>()
        .grant(reader, "users.read", "profile", friend.uuid());
    for user in [friend, stranger] {
        crate::helpers::emit_registered(&app, user, "Ada", "Lovelace").await;
    }
    app.settle().await;
    let token = app.token(reader, &[]);
    app.get(&format!("/api/v1/users/{friend}"))
        .bearer(&token)
        .send()
        .await
        .expect(200);
    app.get(&format!("/api/v1/users/{stranger}"))
        .bearer(&token)
        .send()
        .await
        .expect(403);
    assert_eq!(activity(&app, friend).await[0]["actor_id"], json!(reader));
}
