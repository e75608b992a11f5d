//! Reading and changing one's own profile.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::assert_problem;
use stoa_users::events::ProfileUpdated;

use crate::helpers::{App, actions, activity, me, register};

#[db_test]
async fn a_change_is_merged_into_the_profile(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let token = app.token(user, &[]);
    let body = json!({"first_name": "  Augusta ", "bio": "First line\nsecond line"});
    let changed = app
        .patch("/api/v1/users/me")
        .bearer(&token)
        .json(&body)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(changed["first_name"], "Augusta");
    assert_eq!(changed["last_name"], "Lovelace");
    assert_eq!(changed["bio"], "First line\nsecond line");
    assert_eq!(changed, me(&app, user).await);

    let body = json!({"last_name": null, "bio": "   "});
    let cleared = app
        .patch("/api/v1/users/me")
        .bearer(&token)
        .json(&body)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&cleared["last_name"], &cleared["bio"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(cleared["first_name"], "Augusta");

    let told = app.emitted::<ProfileUpdated>().await;
    assert_eq!(told.len(), 2);
    assert_eq!(
        (told[0].version, &told[0].fields),
        (2, &vec!["first_name".to_owned(), "bio".to_owned()])
    );
    assert_eq!(actions(&app, user).await, ["profile.update", "profile.update"]);
    assert_eq!(
        activity(&app, user).await[0]["detail"],
        json!({"fields": ["last_name", "bio"]})
    );
    let entry = &app.audited("profile.update").await[0];
    assert_eq!((entry.actor, entry.resource_id), (Some(user), Some(user.uuid())));
    assert!(entry.request_id.is_some() && entry.address.is_some());
}

#[db_test]
async fn what_changes_nothing_writes_nothing(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    for body in [json!({}), json!({"first_name": "Ada "}), json!({"bio": null})] {
        let answer = app
            .patch("/api/v1/users/me")
            .bearer(&app.token(user, &[]))
            .json(&body)
            .send()
            .await
            .expect(200);
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
    assert!(actions(&app, user).await.is_empty());
}

#[db_test]
async fn a_change_to_an_older_version_is_refused(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let token = app.token(user, &[]);
    let tag = app
        .get("/api/v1/users/me")
        .bearer(&token)
        .send()
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let call = |tag: &str, bio: &str| {
        app.patch("/api/v1/users/me")
            .bearer(&token)
            .header("if-match", tag)
            .json(&json!({ "bio": bio }))
            .send()
    };
    let first = call(&tag, "first").await.expect(200);
    assert_ne!(first.header("etag"), Some(&*tag));
    assert_problem(&call(&tag, "second").await, 412, "precondition_failed", &[]);
    let weak = format!("W/{tag}");
    assert_problem(&call(&weak, "weak").await, 412, "precondition_failed", &[]);
    // As a proxy that compresses answers makes it.
    let tag = first.header("etag").unwrap();
    call(&format!("W/{tag}"), "weak").await.expect(200);
    assert_problem(&call("nonsense", "third").await, 400, "malformed_request", &[]);
    call("*", "fourth").await.expect(200);
    assert_eq!(me(&app, user).await["bio"], "fourth");
}

#[db_test]
async fn of_two_changes_to_one_version_one_is_made(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    for round in 1..=8 {
        let calls = ["left", "right"].map(|bio| {
            let call = app.patch("/api/v1/users/me").bearer(&app.token(user, &[]));
            let bio = format!("{bio} {round}");
            tokio::spawn(
                call.header("if-match", &format!("\"{round}\""))
                    .json(&json!({ "bio": bio }))
                    .send(),
            )
        });
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap().status());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
}

#[db_test]
async fn changes_at_once_to_different_fields_are_all_kept(app: App) {
    let user = register(&app, "", "").await;
    let bodies = [
        json!({"first_name": "Ada"}),
        json!({"last_name": "Lovelace"}),
        json!({"bio": "Countess"}),
    ];
    let calls = bodies.map(|body| {
        tokio::spawn(
            app.patch("/api/v1/users/me")
                .bearer(&app.token(user, &[]))
                .json(&body)
                .send(),
        )
    });
    for call in calls {
        call.await.unwrap().expect(200);
    }
    let profile = me(&app, user).await;
    assert_eq!(
        [&profile["first_name"], &profile["last_name"], &profile["bio"]],
        [&json!("Ada"), &json!("Lovelace"), &json!("Countess")]
    );
}

#[db_test]
async fn what_does_not_fit_is_refused_by_field(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let token = app.token(user, &[]);
    for (body, fields) in [
        (
            json!({"first_name": "x".repeat(101), "bio": "x".repeat(2001)}),
            vec!["first_name", "bio"],
        ),
        (json!({"first_name": "A\u{7}da"}), vec!["first_name"]),
        (json!({"first_name": "A\nda"}), vec!["first_name"]),
        (json!({"last_name": "evil\u{202e}live"}), vec!["last_name"]),
        (json!({"bio": "\u{1b}[31m"}), vec!["bio"]),
        (json!({"bio": "a\0b"}), vec!["bio"]),
        (json!({"first_name": 7}), vec!["first_name"]),
        (json!({"user_id": app.new_user()}), vec!["user_id"]),
        (
            json!({"avatar_url": "https://example.com/x.png"}),
            vec!["avatar_url"],
        ),
    ] {
        let answer = app
            .patch("/api/v1/users/me")
            .bearer(&token)
            .json(&body)
            .send()
            .await;
        assert_problem(&answer, 422, "invalid_input", &fields);
    }
    let body = json!({"first_name": "é".repeat(100), "bio": "𝒙".repeat(2000)});
    app.patch("/api/v1/users/me")
        .bearer(&token)
        .json(&body)
        .send()
        .await
        .expect(200);
}

#[db_test]
async fn quotes_and_code_are_text_like_any_other(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    for text in [
        "'; DROP TABLE profiles; --",
        "$1",
        "\\'",
        "<script>alert(1)</script>",
        "100% _ \"",
        "名前 🏛",
    ] {
        let body = json!({"first_name": text, "bio": text});
        let answer = app
            .patch("/api/v1/users/me")
            .bearer(&app.token(user, &[]))
            .json(&body)
            .send()
            .await;
        assert_eq!(answer.expect(200).value()["first_name"], text);
        assert_eq!(me(&app, user).await["bio"], text);
    }
}
