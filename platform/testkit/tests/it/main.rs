//! The kit itself, with a small service that uses all of it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod service;
mod unlisted;

use std::time::Duration;

use serde_json::json;
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_kernel::Id;
use stoa_testkit::{TestApp, assert_problem};

use crate::service::NoteTaken;

stoa_testkit::app!(App, TestApp::builder().service(&service::NOTES, service::service));

#[db_test]
async fn requests_reach_the_service_through_an_edge(app: App) {
    let user = app.new_user();
    let anonymous = app.get("/notes").send().await;
    assert_problem(&anonymous, 401, "unauthenticated", &[]);
    assert_eq!(
        anonymous.problem().request_id.as_deref(),
        anonymous.header("x-request-id")
    );

    let token = app.token(user, &[]);
    let wrong = app
        .post("/notes")
        .bearer(&token)
        .json(&json!({"text": ""}))
        .send()
        .await;
    assert_problem(&wrong, 422, "invalid_input", &["text"]);
    app.post("/notes")
        .bearer(&token)
        .json(&json!({"text": "by token"}))
        .send()
        .await
        .expect(201);
    app.post("/notes")
        .session(&app.cookie_session(user, &[]))
        .json(&json!({"text": "by cookie"}))
        .send()
        .await
        .expect(201);
    app.post("/notes")
        .api_key(&app.api_key(user, &[]))
        .json(&json!({"text": "by key"}))
        .send()
        .await
        .expect(201);
    let notes = app.get("/notes").bearer(&token).send().await.expect(200).value();
    assert_eq!(notes, json!(["by token", "by cookie", "by key"]));
    let published = app.published::<NoteTaken>(&Channel::user(user)).await;
    let texts: Vec<_> = published.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(texts, ["by token", "by cookie", "by key"]);
    assert!(
        app.published::<NoteTaken>(&Channel::user(app.new_user()))
            .await
            .is_empty()
    );

    assert_problem(&app.get("/nothing").send().await, 404, "not_found", &[]);
    assert_problem(&app.delete("/notes").send().await, 405, "method_not_allowed", &[]);
    assert_eq!(app.routes().len(), 2);
}

#[db_test]
async fn a_repeated_post_is_done_once(app: App) {
    let token = app.token(app.new_user(), &[]);
    for replayed in [None, Some("true")] {
        let call = app
            .post("/notes")
            .bearer(&token)
            .idempotency_key("k")
            .json(&json!({"text": "once"}));
        assert_eq!(
            call.send().await.expect(201).header("idempotency-replayed"),
            replayed
        );
    }
    assert_eq!(
        app.get("/notes").bearer(&token).send().await.value(),
        json!(["once"])
    );
}

#[db_test]
async fn events_of_others_arrive_and_cause_mails(app: App) {
    let user = app.new_user();
    app.emit(&NoteTaken {
        user_id: user,
        text: "from outside".to_owned(),
    })
    .await;
    app.settle().await;
    let notes = app
        .get("/notes")
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(notes, json!(["from outside"]));
    assert_eq!(app.emitted::<NoteTaken>().await.len(), 1);
    let note = app.emitted_one(|note: &NoteTaken| note.user_id == user).await;
    assert_eq!(note.text, "from outside");
    let mails = app.mails().await;
    assert_eq!(
        mails.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(),
        ["from outside"]
    );
}

#[db_test]
async fn time_can_be_moved(app: App) {
    let token = app.token(app.new_user(), &[]);
    app.get("/notes").bearer(&token).send().await.expect(200);
    app.advance(Duration::from_secs(3601)).await;
    assert_problem(
        &app.get("/notes").bearer(&token).send().await,
        401,
        "token_expired",
        &[],
    );
}

#[db_test]
async fn a_revoked_session_is_refused(app: App) {
    let (user, session) = (app.new_user(), Id::new(app.clock()));
    let token = app.session_token(user, session, &[]);
    app.get("/notes").bearer(&token).send().await.expect(200);
    app.revoke_session(session);
    app.get("/notes").bearer(&token).send().await.expect(401);
    app.get("/notes")
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200);
}

#[test]
fn default_settings_can_be_read() {
    let cache: toml::Table = stoa_testkit::settings("cache");
    assert!(cache["max_mib"].as_integer() > Some(0));
}
