//! Who is on a channel.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::{Engine, db_test};
use stoa_events::Channel;
use stoa_kernel::{OrganizationRole::Member, Period, UserId};
use stoa_testkit::{TestApp, assert_problem, eventually};

use crate::{
    client::Client,
    helpers::{App, builder, publish},
};

async fn present(app: &TestApp, token: &str, channel: &Channel) -> Vec<Value> {
    let path = format!("/api/v1/realtime/channels/{channel}/presence");
    let page = app.get(&path).bearer(token).send().await.expect(200).value();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["user_id"].clone()).collect()
}

async fn enter(app: &TestApp, token: &str, channel: &Channel) -> Client {
    let mut client = Client::of(app, token).await;
    client
        .result(json!({ "subscribe": { "channel": channel, "presence": true } }))
        .await;
    client
}

fn told(push: &Value) -> (&str, &Value) {
    (push["event"].as_str().unwrap(), &push["data"]["user_id"])
}

stoa_testkit::app!(
    /// realtime that waits for nobody for long.
    Hasty,
    builder(|config| {
        config.presence_grace = Period(Duration::from_millis(300));
        config.presence_lease = Period(Duration::from_secs(1));
    })
);

#[db_test]
async fn coming_and_going_is_told_once_for_each_person(app: Hasty) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    let users: [UserId; 2] = [app.new_user(), app.new_user()];
    let tokens = users.map(|user| app.member_token(user, organization, Member));
    let mut watching = Client::of(&app, &tokens[0]).await;
    watching.subscribe(&channel).await;
    assert!(
        present(&app, &tokens[0], &channel).await.is_empty(),
        "who only reads is not there"
    );
    let first = enter(&app, &tokens[1], &channel).await;
    assert_eq!(
        told(&watching.push().await),
        ("presence.joined", &json!(users[1]))
    );
    let second = enter(&app, &tokens[1], &channel).await;
    assert_eq!(present(&app, &tokens[0], &channel).await, [json!(users[1])]);
    let there = watching
        .result(json!({ "presence": { "channel": channel } }))
        .await;
    assert_eq!(there["users"][0]["user_id"], json!(users[1]));
    drop(first);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(
        watching.is_silent().await,
        "they are still there by another connection"
    );
    drop(second);
    // Back within the grace.
    let mut third = enter(&app, &tokens[1], &channel).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(watching.is_silent().await);
    third
        .result(json!({ "unsubscribe": { "channel": channel } }))
        .await;
    assert_eq!(told(&watching.push().await), ("presence.left", &json!(users[1])));
    assert!(present(&app, &tokens[0], &channel).await.is_empty());
    let answered = watching
        .result(json!({ "presence": { "channel": channel } }))
        .await;
    assert_eq!(
        answered,
        json!({ "channel": channel, "users": [], "more": false })
    );
}

#[db_test]
async fn a_connection_that_subscribes_again_has_not_left(app: Hasty) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    let users: [UserId; 3] = [app.new_user(), app.new_user(), app.new_user()];
    let tokens = users.map(|user| app.member_token(user, organization, Member));
    let mut watching = Client::of(&app, &tokens[0]).await;
    watching.subscribe(&channel).await;
    let mut client = enter(&app, &tokens[1], &channel).await;
    assert_eq!(
        told(&watching.push().await),
        ("presence.joined", &json!(users[1]))
    );
    let again = json!({ "subscribe": { "channel": channel, "presence": true } });
    client
        .result(json!({ "unsubscribe": { "channel": channel } }))
        .await;
    client.result(again.clone()).await;
    // Who leaves behind them is counted out behind them.
    let other = enter(&app, &tokens[2], &channel).await;
    assert_eq!(
        told(&watching.push().await),
        ("presence.joined", &json!(users[2]))
    );
    drop(other);
    assert_eq!(told(&watching.push().await), ("presence.left", &json!(users[2])));
    assert_eq!(present(&app, &tokens[0], &channel).await, [json!(users[1])]);
    // The numbering begins anew, and everybody subscribes again.
    for table in ["DELETE FROM messages", "DELETE FROM channels"] {
        app.db().execute(table, &[]).await.unwrap();
    }
    publish(&app, &channel, 1).await;
    assert_eq!(watching.push().await["unsubscribed"]["code"], "history_lost");
    watching.subscribe(&channel).await;
    while client.push().await["unsubscribed"].is_null() {}
    client.result(again).await;
    let other = enter(&app, &tokens[2], &channel).await;
    drop(other);
    while told(&watching.push().await) != ("presence.left", &json!(users[2])) {}
    assert_eq!(present(&app, &tokens[0], &channel).await, [json!(users[1])]);
    drop(client);
    assert_eq!(told(&watching.push().await), ("presence.left", &json!(users[1])));
}

#[db_test]
async fn presence_is_for_those_who_may_follow_and_where_it_is_kept(app: App) {
    let (user, organization) = (app.new_user(), app.new_organization());
    let shared = Channel::organization(organization);
    let token = app.member_token(user, organization, Member);
    let _client = enter(&app, &token, &shared).await;
    let path = format!("/api/v1/realtime/channels/{shared}/presence");
    let stranger = app
        .get(&path)
        .bearer(&app.token(app.new_user(), &["*"]))
        .send()
        .await;
    assert_problem(&stranger, 404, "not_found", &[]);
    assert_problem(&app.get(&path).send().await, 401, "unauthenticated", &[]);
    let own = format!("/api/v1/realtime/channels/{}/presence", Channel::user(user));
    assert_problem(&app.get(&own).bearer(&token).send().await, 404, "not_found", &[]);
    let mut client = Client::of(&app, &token).await;
    let wish = json!({ "subscribe": { "channel": Channel::user(user), "presence": true } });
    assert_eq!(client.refusal(wish).await, "presence_not_kept");
}

#[db_test]
async fn who_was_there_by_a_process_that_died_is_there_no_more(app: Hasty) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    let (ghost, token) = (
        app.new_user(),
        app.member_token(app.new_user(), organization, Member),
    );
    publish(&app, &channel, 1).await;
    app.settle().await;
    let dead = app.new_user().uuid();
    let db = app.db();
    db.execute("INSERT INTO nodes (id, beat) VALUES ($1, 5)", &[&dead])
        .await
        .unwrap();
    let sql = "INSERT INTO presences (channel, connection_id, user_id, node_id) VALUES ($1, $2, $3, $4)";
    db.execute(sql, &[&channel.as_str(), &app.new_user().uuid(), &ghost, &dead])
        .await
        .unwrap();
    let sql = "INSERT INTO present (channel, user_id, connections, since) VALUES ($1, $2, 1, $3)";
    db.execute(sql, &[&channel.as_str(), &ghost, &app.clock().now()])
        .await
        .unwrap();
    assert_eq!(present(&app, &token, &channel).await, [json!(ghost)]);
    if db.engine() == Engine::Sqlite {
        // A file's other processes are looked for at the start alone.
        return;
    }
    let mut watching = Client::of(&app, &token).await;
    watching.subscribe(&channel).await;
    eventually("the dead process is noticed", async || {
        present(&app, &token, &channel).await.is_empty()
    })
    .await;
    assert_eq!(told(&watching.push().await), ("presence.left", &json!(ghost)));
    let nodes: i64 = app
        .db()
        .fetch_one("SELECT COUNT(*) FROM nodes", &[])
        .await
        .unwrap();
    assert_eq!(nodes, 0);
}
