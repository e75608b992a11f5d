//! Preferences.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::assert_problem;
use stoa_users::events::PreferenceChanged;

use crate::helpers::{App, actions, builder, count, one, put_preference};

stoa_testkit::app!(Small, builder(|config| config.preferences_max = 5));

#[db_test]
async fn a_preference_is_kept_with_its_type(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    for (key, value, kind) in [
        ("theme", json!("dark"), "string"),
        ("editor.font_size", json!(12.5), "number"),
        ("email_notifications", json!(false), "boolean"),
        ("layout", json!({"left": ["tree", null], "é": "ü"}), "object"),
        ("recent-files", json!([]), "array"),
    ] {
        let saved = put_preference(&app, user, key, &value).await.expect(200).value();
        assert_eq!(
            (&saved["key"], &saved["value"], &saved["type"]),
            (&json!(key), &value, &json!(kind))
        );
        let path = format!("/api/v1/users/me/preferences/{key}");
        assert_eq!(
            app.get(&path).bearer(&token).send().await.expect(200).value(),
            saved
        );
    }
    let all = app
        .get("/api/v1/users/me/preferences")
        .bearer(&token)
        .send()
        .await
        .expect(200)
        .value();
    let keys: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "editor.font_size",
            "email_notifications",
            "layout",
            "recent-files",
            "theme"
        ]
    );
    let stranger = app.token(app.new_user(), &[]);
    let none = app
        .get("/api/v1/users/me/preferences")
        .bearer(&stranger)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(none, json!({"items": []}));
}

#[db_test]
async fn a_change_is_told_and_written_down_each_time(app: App) {
    let user = app.new_user();
    for value in ["dark", "light", "light"] {
        put_preference(&app, user, "theme", &json!(value))
            .await
            .expect(200);
    }
    let path = "/api/v1/users/me/preferences/theme";
    app.delete(path)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(204);
    assert_problem(
        &app.get(path).bearer(&app.token(user, &[])).send().await,
        404,
        "not_found",
        &[],
    );
    assert_problem(
        &app.delete(path).bearer(&app.token(user, &[])).send().await,
        404,
        "not_found",
        &[],
    );

    let told = app.emitted::<PreferenceChanged>().await;
    let change = |value: Option<&str>| PreferenceChanged {
        user_id: user,
        key: "theme".to_owned(),
        deleted: value.is_none(),
        value: value.map(Value::from),
    };
    let all = [Some("dark"), Some("light"), Some("light"), None];
    assert_eq!(told, all.map(change));
    assert_eq!(
        actions(&app, user).await,
        [
            "preference.delete",
            "preference.set",
            "preference.set",
            "preference.set"
        ]
    );
    assert_eq!(app.audited("preference.set").await.len(), 3);
    assert_eq!(
        app.audited("preference.delete").await[0].detail,
        json!({"key": "theme"})
    );
}

#[db_test]
async fn what_does_not_fit_is_refused(app: App) {
    let user = app.new_user();
    for (key, value) in [
        ("theme", json!("pink")),
        ("theme", json!(true)),
        ("language", json!("not a tag")),
        ("timezone", json!("Europe/Atlantis")),
        ("email_notifications", json!("yes")),
        ("other", json!(null)),
        ("other", json!("x".repeat(8191))),
        ("other", json!("a\0b")),
    ] {
        assert_problem(
            &put_preference(&app, user, key, &value).await,
            422,
            "invalid_input",
            &["value"],
        );
    }
    for key in ["UPPER", "a%20b", "%27%3B--", "%C3%A9", &"k".repeat(65)] {
        assert_problem(
            &put_preference(&app, user, key, &json!(1)).await,
            422,
            "invalid_input",
            &["key"],
        );
        let path = format!("/api/v1/users/me/preferences/{key}");
        assert_problem(
            &app.get(&path).bearer(&app.token(user, &[])).send().await,
            404,
            "not_found",
            &[],
        );
        assert_problem(
            &app.delete(&path).bearer(&app.token(user, &[])).send().await,
            404,
            "not_found",
            &[],
        );
    }
    let call = |body: Value| {
        app.put("/api/v1/users/me/preferences/x")
            .bearer(&app.token(user, &[]))
            .json(&body)
            .send()
    };
    assert_problem(&call(json!({})).await, 422, "invalid_input", &["value"]);
    assert_problem(
        &call(json!({"value": 1, "extra": 2})).await,
        422,
        "invalid_input",
        &["extra"],
    );
    assert_eq!(count(&app, "preferences").await, 0);
    put_preference(&app, user, "timezone", &json!("europe/athens"))
        .await
        .expect(200);
    put_preference(&app, user, "other", &json!("x".repeat(8190)))
        .await
        .expect(200);
}

#[db_test]
async fn there_is_room_for_so_many_and_no_more_also_at_once(app: Small) {
    let user = app.new_user();
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let call = app
                .put(&format!("/api/v1/users/me/preferences/key-{number}"))
                .bearer(&app.token(user, &[]));
            tokio::spawn(call.json(&json!({ "value": number })).send())
        })
        .collect();
    let mut kept = Vec::new();
    for (number, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        if answer.status() == 200 {
            kept.push(number);
        } else {
            assert_problem(&answer, 409, "preferences_full", &[]);
        }
    }
    assert_eq!(kept.len(), 5);
    assert_eq!(count(&app, "preferences").await, 5);

    // What is there can still be changed; and what goes makes room.
    let there = format!("key-{}", kept[0]);
    put_preference(&app, user, &there, &json!("changed"))
        .await
        .expect(200);
    assert_problem(
        &put_preference(&app, user, "new", &json!(1)).await,
        409,
        "preferences_full",
        &[],
    );
    let path = format!("/api/v1/users/me/preferences/{there}");
    app.delete(&path)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(204);
    put_preference(&app, user, "new", &json!(1)).await.expect(200);
    // Another person has room of their own.
    put_preference(&app, app.new_user(), "new", &json!(1))
        .await
        .expect(200);
}

#[db_test]
async fn one_key_written_and_deleted_at_once_is_counted_once(app: Small) {
    let user = app.new_user();
    for _ in 0..4 {
        let calls: Vec<_> = (0..10)
            .map(|number| {
                let call = app
                    .put("/api/v1/users/me/preferences/same")
                    .bearer(&app.token(user, &[]));
                tokio::spawn(call.json(&json!({ "value": number })).send())
            })
            .collect();
        for call in calls {
            call.await.unwrap().expect(200);
        }
        assert_eq!(
            one::<i64>(app.db(), "SELECT preferences_count FROM profiles").await,
            1
        );
        let calls = [(); 4].map(|()| {
            tokio::spawn(
                app.delete("/api/v1/users/me/preferences/same")
                    .bearer(&app.token(user, &[]))
                    .send(),
            )
        });
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap().status());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404, 404, 404]);
        assert_eq!(
            one::<i64>(app.db(), "SELECT preferences_count FROM profiles").await,
            0
        );
    }
}

#[db_test]
async fn the_first_preference_is_kept_while_others_make_the_profile(app: App) {
    for _ in 0..40 {
        let user = app.new_user();
        let token = app.token(user, &[]);
        let value = json!(true);
        let (_, _, put) = futures::join!(
            app.get("/api/v1/users/me").bearer(&token).send(),
            app.get("/api/v1/users/me").bearer(&token).send(),
            put_preference(&app, user, "first", &value),
        );
        put.expect(200);
    }
}
