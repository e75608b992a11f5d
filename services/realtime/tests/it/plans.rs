//! How the service reads its tables: by index, whatever their statistics say.

use serde_json::json;
use stoa_auth_api::events::UserErased;
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_events::Channel;

use crate::{
    client::Client,
    helpers::{App, publish},
};

/// The service's own tables: those of the platform are looked at by its own tests.
const TABLES: [&str; 6] = ["messages", "channels", "tickets", "present", "presences", "nodes"];

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_however_much_there_is(app: App) {
    let statements = Statements::of(app.db());
    analyze(app.db()).await;
    let (ada, bob) = (app.new_user(), app.new_user());
    for user in [ada, bob] {
        let (token, channel) = (app.token(user, &[]), Channel::user(user));
        let mut client = Client::of(&app, &token).await;
        client.subscribe(&channel).await;
        for number in 0..20 {
            publish(&app, &channel, number).await;
        }
        app.settle().await;
        let message = json!({ "channel": channel, "event": "client.x", "data": 1 });
        client.result(json!({ "publish": message })).await;
        client.result(json!({ "history": { "channel": channel } })).await;
        let path = format!("/api/v1/realtime/channels/{channel}/messages?limit=1");
        let page = app.get(&path).bearer(&token).send().await.expect(200).value();
        let next = format!("{path}&cursor={}", page["next_cursor"].as_str().unwrap());
        app.get(&next).bearer(&token).send().await.expect(200);
        let mut client = Client::of(&app, &token).await;
        client.recover(&channel, &json!(""), 0).await;
        let ticket = app
            .post("/api/v1/realtime/tickets")
            .bearer(&token)
            .send()
            .await
            .expect(201);
        let ticket = &ticket.value()["ticket"];
        Client::open(&app)
            .await
            .result(json!({ "connect": { "ticket": ticket } }))
            .await;
    }
    app.emit(&UserErased { user_id: bob }).await;
    app.advance(std::time::Duration::from_secs(3600)).await;
    app.settle().await;
    assert!(statements.count() > 20);
    for much in [false, true] {
        if much {
            add_messages(app.db()).await;
        }
        let mut waste = statements.waste(app.db()).await;
        waste.retain(|one| TABLES.iter().any(|table| one.sql.contains(table)));
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

async fn add_messages(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO messages (channel, position, id, event, data, sender_id, created_at, expires_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         SELECT 'user:x', i, {id}, 'x', 'null', {id}, $1, $1 FROM n"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
}
