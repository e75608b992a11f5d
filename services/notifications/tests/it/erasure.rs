//! Erasure leaves nothing.

use serde_json::json;
use stoa_auth_api::{
    events::{UserErased, UserRegistered},
    testing::FakeAuth,
};
use stoa_db::{Engine, Error, FromRow, FromValue, Row, ValueRef, db_test};
use stoa_kernel::UserId;
use stoa_testkit::{TestApp, assert_problem};
use uuid::Uuid;

use crate::helpers::{App, counts, notify, person, rows, shipped, titles};

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
        let values = (0..).map_while(|at| row.at::<AnyValue>(at).ok());
        Ok(Self(values.map(|value| value.0 + "|").collect()))
    }
}

/// The tables in which a row speaks of any of `words`, in lower case.
async fn tables_with(app: &TestApp, words: &[&str]) -> Vec<String> {
    let sql = match app.db().engine() {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        Engine::Postgres => {
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    let mut tables: Vec<String> = app.db().fetch_all(sql, &[]).await.unwrap();
    tables.sort();
    assert!(tables.len() > 10, "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        let rows: Vec<AnyRow> = app
            .db()
            .fetch_all(&format!("SELECT * FROM {table}"), &[])
            .await
            .unwrap();
        let speaks = |row: &AnyRow| words.iter().any(|word| row.0.to_lowercase().contains(word));
        if rows.iter().any(speaks) {
            found.push(table);
        }
    }
    found
}

/// Whether a row of a table speaks of `word`, in lower case.
pub(crate) async fn speaks(app: &TestApp, table: &str, word: &str) -> bool {
    let sql = format!("SELECT * FROM {table}");
    let rows: Vec<AnyRow> = app.db().fetch_all(&sql, &[]).await.unwrap();
    rows.iter().any(|row| row.0.to_lowercase().contains(word))
}

/// Somebody with something everywhere.
async fn somebody(app: &TestApp) -> UserId {
    let user = person(app, "hypatia");
    app.emit(&UserRegistered {
        user_id: user,
        email: "hypatia@example.com".to_owned(),
        first_name: Some("Hypatia".to_owned()),
        last_name: None,
    })
    .await;
    app.settle().await;
    for order in ["astrolabe-1", "astrolabe-2"] {
        shipped(app, user, order).await;
    }
    user
}

async fn erase(app: &TestApp, user: UserId) {
    app.stand_in::<FakeAuth>().erase(user);
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
}

#[db_test]
async fn nothing_is_left_of_an_erased_person(app: App) {
    let (user, other) = (somebody(&app).await, person(&app, "charles"));
    shipped(&app, other, "engine").await;
    let words = ["hypatia", "astrolabe"];
    assert_eq!(tables_with(&app, &words).await, ["inbox", "notifications"]);
    assert_eq!(app.mails().await.len(), 4);
    let token = app.token(user, &[]);
    erase(&app, user).await;
    assert!(tables_with(&app, &words).await.is_empty());
    let mails = app.mails().await;
    assert_eq!((mails.len(), &*mails[0].to), (1, "charles@example.com"));
    // The id itself stays where it must: that nothing is kept of them again, and the order of events.
    let tables = tables_with(&app, &[&user.to_string()]).await;
    assert!(
        tables
            .iter()
            .all(|table| ["jobs", "people"].contains(&table.as_str())),
        "{tables:?}"
    );
    let answer = app
        .post("/api/v1/notifications/read-all")
        .bearer(&token)
        .send()
        .await;
    assert_problem(&answer, 401, "token_revoked", &[]);
    assert_eq!(
        (titles(&app, other, "").await.len(), counts(&app, other).await),
        (1, (1, 1))
    );
}

#[db_test]
async fn nothing_comes_for_who_was_erased(app: App) {
    let user = somebody(&app).await;
    for _ in 0..2 {
        erase(&app, user).await;
    }
    notify(&app, "order.shipped", user, json!({"order": "astrolabe-3"})).await;
    assert!(app.mails().await.is_empty());
    assert_eq!(
        (rows(&app, "deliveries").await, rows(&app, "inbox").await),
        (0, 0)
    );
}

#[db_test]
async fn much_is_erased_in_batches(app: App) {
    let user = person(&app, "hypatia");
    for number in 0..230 {
        app.emit(&stoa_notifications_api::NotificationRequested::to(
            "shop.news",
            user,
            json!({"astrolabe": number}),
        ))
        .await;
    }
    app.settle().await;
    assert_eq!(rows(&app, "inbox").await, 230);
    erase(&app, user).await;
    for table in ["inbox", "deliveries", "sends", "steps", "notifications"] {
        assert_eq!(rows(&app, table).await, 0, "{table}");
    }
}

#[db_test]
async fn erasing_while_it_is_sent_leaves_nothing_behind(app: App) {
    for round in 0..6 {
        let user = person(&app, &format!("hypatia{round}"));
        for order in 0..4 {
            let event = stoa_notifications_api::NotificationRequested::to(
                "order.shipped",
                user,
                json!({"order": format!("astrolabe-{order}")}),
            );
            app.emit(&event).await;
        }
        erase(&app, user).await;
        app.settle().await;
    }
    assert!(app.mails().await.is_empty());
    for table in ["inbox", "deliveries", "sends", "steps"] {
        assert_eq!(rows(&app, table).await, 0, "{table}");
    }
}
