//! How the service reads its tables: by index, whatever their statistics say.

use std::time::Duration;

use serde_json::json;
use stoa_auth_api::events::{SessionRevoked, UserErased};
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_kernel::{Id, UserId};
use stoa_providers::testing::{Answer, FakeApi};

use crate::helpers::{App, counts, deliveries, inbox, notify, operator, person, phone, shipped};

const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

/// Texts of statements that are not this service's: when a test may go on, and which queues have something, of which there are few.
const MEANT: [&str; 3] = [
    "COUNT(*) FROM outbox",
    "SELECT queue FROM jobs",
    "SELECT q.column1 FROM (VALUES",
];

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_however_much_there_is(app: App) {
    let statements = Statements::of(app.db());
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    shipped(&app, ada, "1").await;
    analyze(app.db()).await;
    for user in [ada, bob] {
        shipped(&app, user, "2").await;
        notify(&app, "shop.news", user, json!({})).await;
        for query in [
            "",
            "&unread=true",
            "&archived=true",
            "&snoozed=true",
            "&category=orders",
            "&unread=false&category=news",
        ] {
            inbox(&app, user, query).await;
        }
        counts(&app, user).await;
        push(&app, user).await;
        phone(&app, user, &format!("+4917012345{}", u8::from(user == bob))).await;
        notify(&app, "shop.parcel", user, json!({"at": "9:00"})).await;
        deliveries(&app, user).await;
        let token = app.token(user, &[]);
        let item = inbox(&app, user, "").await[0]["id"].as_str().unwrap().to_owned();
        let until = app.clock().after(Duration::from_secs(60)).to_string();
        app.patch(&format!("/api/v1/notifications/{item}"))
            .bearer(&token)
            .json(&json!({"snoozed_until": until}))
            .send()
            .await
            .expect(200);
        app.post("/api/v1/notifications/read-all")
            .bearer(&token)
            .send()
            .await
            .expect(204);
    }
    let token = operator(&app);
    let body = json!({"type": "shop.news", "users": [ada, bob]});
    let sent = app
        .post("/api/v1/notifications/send")
        .bearer(&token)
        .idempotency_key("a")
        .json(&body)
        .send()
        .await;
    let id = sent.expect(202).value()["id"].as_str().unwrap().to_owned();
    for query in [
        "",
        "type=shop.news",
        &format!("notification_id={id}"),
        &format!("user_id={ada}&type=shop.news"),
    ] {
        let path = format!("/api/v1/notifications/history?limit=1&{query}");
        let page = app.get(&path).bearer(&token).send().await.expect(200).value();
        if let Some(cursor) = page["next_cursor"].as_str() {
            app.get(&format!("{path}&cursor={cursor}"))
                .bearer(&token)
                .send()
                .await
                .expect(200);
        }
    }
    app.get(&format!("/api/v1/notifications/requests/{id}"))
        .bearer(&token)
        .send()
        .await
        .expect(200);
    app.post(&format!("/api/v1/notifications/requests/{id}/cancel"))
        .bearer(&token)
        .send()
        .await;
    let later = app.clock().after(Duration::from_secs(600));
    let body = json!({"type": "shop.news", "users": [ada], "send_at": later});
    let sent = app
        .post("/api/v1/notifications/send")
        .bearer(&token)
        .json(&body)
        .send()
        .await;
    let id = sent.expect(202).value()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/notifications/requests/{id}/cancel");
    app.post(&path).bearer(&token).send().await.expect(200);
    app.emit(&UserErased { user_id: bob }).await;
    app.settle().await;
    app.advance(Duration::from_secs(2 * 3600)).await;
    stoa_testkit::eventually("old rows were looked for", async || {
        statements.any("FROM deliveries WHERE created_at <")
    })
    .await;
    app.settle().await;
    assert!(statements.count() > 30);
    for much in [false, true] {
        if much {
            add_items(app.db()).await;
        }
        no_waste(app.db(), &statements).await;
        analyze(app.db()).await;
    }
}

/// Every statement so far goes by index.
pub(crate) async fn no_waste(db: &Db, statements: &Statements) {
    let mut waste = statements.waste(db).await;
    // The first jobs of each queue are few, and may be sorted.
    let sorts = |line: &str| line.contains("ORDER BY") || line.contains("Sort Key");
    waste.retain(|one| !(sorts(&one.line) && one.sql.contains("AS heads ORDER BY")));
    waste.retain(|one| !MEANT.iter().any(|meant| one.sql.contains(meant)));
    // What a test itself counts.
    waste.retain(|one| !one.sql.starts_with("SELECT COUNT(*) FROM ") || one.sql.contains("WHERE"));
    assert!(waste.is_empty(), "{waste:#?}");
}

/// A browser is registered, written to, and gone with its session; and another stays.
async fn push(app: &App, user: UserId) {
    let path = "/api/v1/notifications/push-subscriptions";
    let service = FakeApi::start(Answer::new(201, "")).await;
    let body = |name: &str| {
        let keys = json!({ "p256dh": P256DH, "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
        json!({ "endpoint": format!("http://{}/{name}", service.address()), "keys": keys })
    };
    let session = Id::new(app.clock());
    for (name, token) in [
        ("1", app.session_token(user, session, &[])),
        ("2", app.token(user, &[])),
        ("2", app.token(user, &[])),
    ] {
        let answer = app.post(path).bearer(&token).json(&body(name)).send().await;
        assert!(answer.status() < 300, "{}", answer.text());
    }
    notify(app, "shop.door", user, json!({"who": "Bob"})).await;
    assert_eq!(service.asked().len(), 2);
    let until = app.clock().after(Duration::from_secs(60));
    app.emit(&SessionRevoked {
        user_id: user,
        session_id: session,
        until,
    })
    .await;
    let token = app.token(user, &[]);
    let left = app.get(path).bearer(&token).send().await.expect(200).value();
    for one in left["items"].as_array().unwrap() {
        let path = format!("{path}/{}", one["id"].as_str().unwrap());
        app.delete(&path).bearer(&token).send().await;
    }
}

async fn add_items(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO inbox (id, user_id, delivery_id, type, category, title, body, is_read, is_archived, created_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         SELECT {id}, {id}, {id}, 'shop.news', 'news', 'x', 'x', FALSE, FALSE, $1 FROM n"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
    let sql = format!(
        "INSERT INTO deliveries (id, notification_id, user_id, type, created_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         SELECT {id}, {id}, {id}, 'shop.news', $1 FROM n"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
}
