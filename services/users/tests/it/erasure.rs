//! Erasure leaves nothing.

use std::collections::BTreeSet;

use serde_json::json;
use stoa_auth_api::events::UserErased;
use stoa_db::{Engine, Error, FromRow, FromValue, Row, ValueRef, db_test};
use stoa_kernel::UserId;
use stoa_testkit::assert_problem;
use stoa_users::events::ProfileErased;
use uuid::Uuid;

use crate::{
    helpers::{App, me, put_preference, register},
    pictures,
};

/// A row of any table, as text.
struct AnyRow(String);
struct AnyValue(String);

impl FromValue for AnyValue {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        Ok(Self(match value {
            ValueRef::Bytes(bytes) => match Uuid::from_slice(bytes) {
                Ok(uuid) => uuid.to_string(),
                Err(_) => String::from_utf8_lossy(bytes).into_owned(),
            },
            other => format!("{other:?}"),
        }))
    }
}

impl FromRow for AnyRow {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self(
            (0..)
                .map_while(|at| row.at::<AnyValue>(at).ok())
                .map(|value| value.0 + "|")
                .collect(),
        ))
    }
}

/// Every row of every table that speaks of any of `words`, in lower case, with the table's name.
async fn rows_with(app: &App, words: &[&str]) -> Vec<(String, String)> {
    let sql = match app.db().engine() {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Engine::Postgres => {
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    let tables: Vec<String> = app.db().fetch_all(sql, &[]).await.unwrap();
    assert!(tables.len() > 8, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let rows: Vec<AnyRow> = app
            .db()
            .fetch_all(&format!("SELECT * FROM {table}"), &[])
            .await
            .unwrap();
        let rows = rows
            .into_iter()
            .map(|row| row.0.to_lowercase())
            .filter(|row| words.iter().any(|word| row.contains(word)));
        found.extend(rows.map(|row| (table.clone(), row)));
    }
    found
}

/// A person with something in every table.
async fn somebody(app: &App) -> UserId {
    let user = register(app, "Augusta", "Lovelace").await;
    let token = app.token(user, &[]);
    app.patch("/api/v1/users/me")
        .bearer(&token)
        .json(&json!({"bio": "Enchantress of numbers"}))
        .send()
        .await
        .expect(200);
    put_preference(app, user, "augusta.secret", &json!("enchantress"))
        .await
        .expect(200);
    app.put("/api/v1/users/me/avatar")
        .bearer(&token)
        .body("image/png", pictures::png(8, 8))
        .send()
        .await
        .expect(200);
    let path = format!("/api/v1/users/{user}");
    app.get(&path)
        .bearer(&app.token(app.new_user(), &["users.read"]))
        .send()
        .await
        .expect(200);
    app.settle().await;
    user
}

#[db_test]
async fn nothing_is_left_of_an_erased_person(app: App) {
    let (user, other) = (somebody(&app).await, register(&app, "Charles", "Babbage").await);
    let id = user.to_string();
    let words = ["augusta", "lovelace", "enchantress"];
    let tables: BTreeSet<_> = rows_with(&app, &words)
        .await
        .into_iter()
        .map(|(table, _)| table)
        .collect();
    assert_eq!(
        tables,
        BTreeSet::from(["activity", "preferences", "profiles"].map(str::to_owned))
    );
    let avatar = me(&app, user).await["avatar_url"].as_str().unwrap().to_owned();

    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    assert_eq!(rows_with(&app, &words).await, []);
    assert!(app.env().objects.list("users").await.unwrap().is_empty());
    app.get(&avatar).send().await.expect(404);
    // The id itself stays where it must: that nobody comes back, what was done, and the order of events.
    for (table, row) in rows_with(&app, &[&id]).await {
        assert!(
            ["erased_users", "audit", "jobs"].contains(&&*table),
            "{table}: {row}"
        );
    }
    assert_problem(
        &app.get("/api/v1/users/me")
            .bearer(&app.token(user, &[]))
            .send()
            .await,
        404,
        "profile_erased",
        &[],
    );
    let admin = app.token(app.new_user(), &["users.read"]);
    app.get(&format!("/api/v1/users/{user}"))
        .bearer(&admin)
        .send()
        .await
        .expect(404);
    let page = app
        .get("/api/v1/users")
        .bearer(&admin)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(me(&app, other).await["first_name"], "Charles");
    assert_eq!(
        app.emitted::<ProfileErased>().await,
        [ProfileErased { user_id: user }]
    );
    assert_eq!(app.audited("profile.erase").await.len(), 1);
}

#[db_test]
async fn erasing_again_does_nothing(app: App) {
    let user = somebody(&app).await;
    for _ in 0..3 {
        app.emit(&UserErased { user_id: user }).await;
    }
    assert_eq!(app.emitted::<ProfileErased>().await.len(), 1);
    assert_eq!(app.audited("profile.erase").await.len(), 1);
    assert_eq!(crate::helpers::count(&app, "profiles").await, 0);
}
