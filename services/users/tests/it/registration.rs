//! A profile follows from `user.registered`, and is there before it.

use serde_json::json;
use stoa_auth_api::{events::UserErased, testing::FakeAuth};
use stoa_db::db_test;
use stoa_testkit::assert_problem;
use stoa_users::events::{ProfileCreated, ProfileUpdated};

use crate::helpers::{App, count, emit_registered, me, put_preference, register};

#[db_test]
async fn right_after_registration_the_profile_has_its_names_and_keeps_its_version(app: App) {
    let (reader, writer) = (app.new_user(), app.new_user());
    for user in [reader, writer] {
        app.stand_in::<FakeAuth>().register(user, "Ada", "Lovelace");
    }
    put_preference(&app, writer, "theme", &json!("dark"))
        .await
        .expect(200);
    for user in [reader, writer] {
        let read = async || {
            let call = app.get("/api/v1/users/me").bearer(&app.token(user, &[]));
            call.send().await.expect(200)
        };
        let early = read().await;
        assert_eq!(
            (&early.value()["first_name"], &early.value()["last_name"]),
            (&json!("Ada"), &json!("Lovelace"))
        );
        emit_registered(&app, user, "Ada", "Lovelace").await;
        app.settle().await;
        let late = read().await;
        assert_eq!(late.header("etag"), early.header("etag"));
        assert_eq!(late.value(), early.value());
    }
}

#[db_test]
async fn a_profile_follows_from_the_event(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let profile = me(&app, user).await;
    assert_eq!(profile["user_id"], json!(user));
    assert_eq!(
        (&profile["first_name"], &profile["last_name"]),
        (&json!("Ada"), &json!("Lovelace"))
    );
    assert_eq!(
        (&profile["avatar_url"], &profile["bio"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        app.emitted::<ProfileCreated>().await,
        [ProfileCreated { user_id: user }]
    );
    assert!(app.emitted::<ProfileUpdated>().await.is_empty());
}

#[db_test]
async fn before_the_event_me_is_there_and_the_event_adds_the_names(app: App) {
    let user = app.new_user();
    let early = me(&app, user).await;
    assert_eq!(early["first_name"], json!(null));
    emit_registered(&app, user, "Ada", "Lovelace").await;
    let created = app.emitted::<ProfileCreated>().await;
    let late = me(&app, user).await;
    assert_eq!(late["id"], early["id"]);
    assert_eq!(
        (&late["first_name"], &late["last_name"]),
        (&json!("Ada"), &json!("Lovelace"))
    );
    assert_eq!(created.len(), 1, "told once");
    let updated = app.emitted::<ProfileUpdated>().await;
    assert_eq!(updated[0].fields, ["first_name", "last_name"]);
}

#[db_test]
async fn what_was_set_before_the_event_stays(app: App) {
    let user = app.new_user();
    let body = json!({"first_name": "Augusta", "bio": "Countess"});
    app.patch("/api/v1/users/me")
        .bearer(&app.token(user, &[]))
        .json(&body)
        .send()
        .await
        .expect(200);
    emit_registered(&app, user, "Ada", "Lovelace").await;
    app.settle().await;
    let profile = me(&app, user).await;
    assert_eq!(
        (&profile["first_name"], &profile["last_name"]),
        (&json!("Augusta"), &json!("Lovelace"))
    );
    assert_eq!(profile["bio"], "Countess");
}

#[db_test]
async fn an_event_that_comes_again_changes_nothing(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let body = json!({"first_name": null});
    app.patch("/api/v1/users/me")
        .bearer(&app.token(user, &[]))
        .json(&body)
        .send()
        .await
        .expect(200);
    emit_registered(&app, user, "Ada", "Lovelace").await;
    app.settle().await;
    assert_eq!(me(&app, user).await["first_name"], json!(null));
}

#[db_test]
async fn whichever_comes_first_there_is_one_profile_with_its_names(app: App) {
    let users: Vec<_> = (0..12).map(|_| app.new_user()).collect();
    let mut calls = Vec::new();
    for user in &users {
        for _ in 0..3 {
            let (client, token) = (app.client(), app.token(*user, &[]));
            calls.push(tokio::spawn(async move {
                client.get("/api/v1/users/me").bearer(&token).send().await
            }));
        }
        emit_registered(&app, *user, "Ada", "Lovelace").await;
    }
    for call in calls {
        call.await.unwrap().expect(200);
    }
    app.settle().await;
    for user in &users {
        let profile = me(&app, *user).await;
        assert_eq!(
            (&profile["first_name"], &profile["last_name"]),
            (&json!("Ada"), &json!("Lovelace"))
        );
    }
    assert_eq!(count(&app, "profiles").await, 12);
    assert_eq!(app.emitted::<ProfileCreated>().await.len(), 12);
}

#[db_test]
async fn nothing_brings_an_erased_person_back(app: App) {
    let user = app.new_user();
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    emit_registered(&app, user, "Ada", "Lovelace").await;
    app.settle().await;
    let token = app.token(user, &[]);
    let calls = [
        app.get("/api/v1/users/me"),
        app.get("/api/v1/users/me/export"),
        app.patch("/api/v1/users/me").json(&json!({"bio": "back"})),
        app.put("/api/v1/users/me/preferences/theme")
            .json(&json!({"value": "dark"})),
        app.delete("/api/v1/users/me/avatar"),
    ];
    for call in calls {
        assert_problem(&call.bearer(&token).send().await, 404, "profile_erased", &[]);
    }
    for table in ["profiles", "preferences", "activity"] {
        assert_eq!(count(&app, table).await, 0, "{table}");
    }
}

#[db_test]
async fn erasing_and_coming_back_at_once_leaves_nobody_behind(app: App) {
    let users: Vec<_> = (0..12).map(|_| app.new_user()).collect();
    let mut calls = Vec::new();
    for user in &users {
        let (client, token) = (app.client(), app.token(*user, &[]));
        calls.push(tokio::spawn(async move {
            for _ in 0..5 {
                client
                    .put("/api/v1/users/me/preferences/theme")
                    .bearer(&token)
                    .json(&json!({"value": "dark"}))
                    .send()
                    .await;
                client.get("/api/v1/users/me").bearer(&token).send().await;
            }
        }));
        app.emit(&UserErased { user_id: *user }).await;
    }
    for call in calls {
        call.await.unwrap();
    }
    app.settle().await;
    for table in ["profiles", "preferences", "activity"] {
        assert_eq!(count(&app, table).await, 0, "{table}");
    }
    assert_eq!(count(&app, "erased_users").await, 12);
}

#[db_test]
async fn an_erasure_waits_for_a_profile_that_is_being_made(app: App) {
    let (user, now) = (app.new_user(), app.clock().now());
    let sql = "INSERT INTO profiles (id, user_id, version, created_at, updated_at, registered, preferences_count, \
               search_text, name_key) VALUES ($1, $1, 1, $2, $2, $3, 0, '', $4)";
    let mut making = app.db().begin().await.unwrap();
    making
        .execute(sql, &[&user, &now, &false, &Vec::<u8>::new()])
        .await
        .unwrap();
    app.emit(&UserErased { user_id: user }).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    making.commit().await.unwrap();
    app.settle().await;
    assert_eq!(count(&app, "profiles").await, 0);
    assert_eq!(count(&app, "erased_users").await, 1);
}
