//! How the service reads its tables: by index, whatever their statistics say.

use std::time::Duration;

use serde_json::json;
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_kernel::OrganizationRole;

use crate::helpers::{App, Sink, endpoint, happen, items, organization};

/// Texts of statements that read a whole table on purpose: when a test may go on.
const MEANT: [&str; 1] = ["COUNT(*) FROM outbox"];

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_however_much_there_is(app: App) {
    let statements = Statements::of(app.db());
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    analyze(app.db()).await;
    for status in [200, 500, 200] {
        sink.answer(status);
        happen(&app, ours).await;
        app.settle().await;
    }
    let messages = items(&app, &token, &format!("{path}/messages?state=delivered")).await;
    let message = messages[0]["message_id"].as_str().unwrap();
    for list in [
        "attempts",
        "messages",
        "messages?state=pending",
        "attempts?succeeded=true",
        &format!("attempts?message_id={message}"),
    ] {
        let sign = if list.contains('?') { '&' } else { '?' };
        let list = format!("{path}/{list}{sign}limit=1");
        let page = app.get(&list).bearer(&token).send().await.expect(200).value();
        if let Some(next) = page["next_cursor"].as_str() {
            app.get(&format!("{list}&cursor={next}"))
                .bearer(&token)
                .send()
                .await
                .expect(200);
        }
    }
    for (call, body) in [
        ("test", json!({})),
        ("rotate", json!({})),
        ("replay", json!({"since": "2020-01-01T00:00:00Z"})),
        (&*format!("messages/{message}/retry"), json!(null)),
    ] {
        let request = app.post(&format!("{path}/{call}")).bearer(&token);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        request.send().await;
        app.settle().await;
    }
    app.patch(&path)
        .bearer(&token)
        .json(&json!({"description": "x"}))
        .send()
        .await
        .expect(200);
    app.advance(Duration::from_secs(40 * 24 * 3600)).await;
    let token = app.member_token(app.new_user(), ours, OrganizationRole::Admin);
    app.delete(&path).bearer(&token).send().await.expect(204);
    app.emit(&UserErased {
        user_id: app.new_user(),
    })
    .await;
    app.emit(&OrganizationPurged {
        organization_id: ours,
    })
    .await;
    app.settle().await;
    assert!(statements.count() > 40);
    for much in [false, true] {
        if much {
            add_much(app.db()).await;
        }
        let mut waste = statements.waste(app.db()).await;
        // The first jobs of each queue are few, and may be sorted.
        waste.retain(|one| !one.sql.contains("AS heads ORDER BY"));
        waste.retain(|one| !MEANT.iter().any(|meant| one.sql.contains(meant)));
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

async fn add_much(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000)";
    for (table, columns, values) in [
        (
            "messages",
            "id, type, subject, data, time",
            format!("{id}, 'x.y', 'user:x', '{{}}', $1"),
        ),
        (
            "deliveries",
            "endpoint_id, message_id, state, series, attempts, cause, next_at",
            format!("{id}, {id}, 'delivered', 1, 1, 'event', $1"),
        ),
        (
            "attempts",
            "id, endpoint_id, message_id, cause, url, succeeded, response, is_truncated, duration_ms, started_at",
            format!("{id}, {id}, {id}, 'event', '', TRUE, '', FALSE, 1, $1"),
        ),
    ] {
        let sql = format!("INSERT INTO {table} ({columns}) {numbers} SELECT {values} FROM n");
        db.execute(&sql, &[&db.clock().now()]).await.unwrap();
    }
}
