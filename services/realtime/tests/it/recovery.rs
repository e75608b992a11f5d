//! Who comes back has missed nothing, or is told that they have.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stoa_db::{Engine, db_test};
use stoa_events::Channel;
use stoa_kernel::Id;

use crate::{
    client::Client,
    helpers::{App, builder, numbers, publish, publish_long},
};

#[db_test]
async fn what_was_missed_comes_first_and_in_order(app: App) {
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let mut client = Client::of(&app, &token).await;
    client.subscribe(&channel).await;
    for number in 0..3 {
        publish(&app, &channel, number).await;
    }
    let pushes = client.pushes(3).await;
    let (first, last) = (&pushes[0], &pushes[2]);
    assert_eq!(last["epoch"], Value::Null);
    let epoch = first["epoch"].clone();
    drop(client);
    for number in 3..8 {
        publish(&app, &channel, number).await;
    }
    app.settle().await;
    let mut client = Client::of(&app, &token).await;
    // As before the first message, which says the epoch.
    let back = client.recover(&channel, &json!(""), 0).await;
    assert_eq!((&back["recovered"], &back["offset"]), (&json!(true), &json!(0)));
    assert_eq!(numbers(&client.pushes(8).await), (0..8).collect::<Vec<_>>());
    assert_eq!(back["epoch"], epoch);
    let mut client = Client::of(&app, &token).await;
    let back = client
        .recover(&channel, &epoch, last["offset"].as_i64().unwrap())
        .await;
    assert_eq!((&back["recovered"], &back["offset"]), (&json!(true), &json!(3)));
    assert_eq!(numbers(&client.pushes(5).await), [3, 4, 5, 6, 7]);
    publish(&app, &channel, 8).await;
    assert_eq!(numbers(&client.pushes(1).await), [8]);
    let mut client = Client::of(&app, &token).await;
    assert_eq!(client.recover(&channel, &epoch, 9).await["recovered"], true);
    assert!(client.is_silent().await);
}

#[db_test]
async fn who_cannot_have_everything_is_told_so(app: App) {
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    publish(&app, &channel, 0).await;
    app.settle().await;
    let mut client = Client::of(&app, &token).await;
    let epoch = client.subscribe(&channel).await["epoch"].clone();
    for (epoch, offset) in [(json!("another"), 0), (epoch.clone(), 5), (epoch.clone(), -1)] {
        let mut client = Client::of(&app, &token).await;
        let back = client.recover(&channel, &epoch, offset).await;
        assert_eq!((&back["recovered"], &back["offset"]), (&json!(false), &json!(1)));
        assert!(client.is_silent().await);
    }
    // A history of 20 messages.
    let order = Channel::named("order", app.new_user().uuid()).unwrap();
    let token = app.token(user, &["orders.read"]);
    for number in 0..60 {
        publish(&app, &order, number).await;
    }
    app.settle().await;
    let epoch = Client::of(&app, &token).await.subscribe(&order).await["epoch"].clone();
    for (offset, recovered) in [(10, false), (45, true)] {
        let mut client = Client::of(&app, &token).await;
        let back = client.recover(&order, &epoch, offset).await;
        assert_eq!(back["recovered"], recovered, "{offset}");
    }
    let kept: i64 = app
        .db()
        .fetch_one(
            "SELECT COUNT(*) FROM messages WHERE channel = $1",
            &[&order.as_str()],
        )
        .await
        .unwrap();
    assert!((20..40).contains(&kept), "{kept}");
    // What is too old is gone.
    app.advance(Duration::from_secs(2 * 24 * 3600)).await;
    stoa_testkit::eventually("the old messages are gone", async || {
        let left: i64 = app
            .db()
            .fetch_one("SELECT COUNT(*) FROM messages", &[])
            .await
            .unwrap();
        left == 0
    })
    .await;
    let token = app.token(user, &["orders.read"]);
    let mut client = Client::of(&app, &token).await;
    assert_eq!(client.recover(&order, &epoch, 50).await["recovered"], false);
    let mut client = Client::of(&app, &token).await;
    assert_eq!(client.recover(&order, &epoch, 60).await["recovered"], true);
}

#[tokio::test]
async fn who_missed_more_than_is_sent_after_the_fact_is_told_so() {
    let app = builder(|config| config.recover_max = 5)
        .start(Engine::Sqlite)
        .await;
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    for number in 0..10 {
        publish(&app, &channel, number).await;
    }
    app.settle().await;
    let epoch = Client::of(&app, &token).await.subscribe(&channel).await["epoch"].clone();
    for (offset, recovered) in [(4, false), (5, true)] {
        let mut client = Client::of(&app, &token).await;
        assert_eq!(
            client.recover(&channel, &epoch, offset).await["recovered"],
            recovered
        );
    }
    app.stop().await;
}

/// Clients come and go while it is published; each has every message once.
#[db_test]
async fn coming_back_in_the_midst_of_it_misses_nothing_and_has_nothing_twice(app: App) {
    const LAST: i64 = 300;
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let app = Arc::new(app);
    let publishing = {
        let (app, channel) = (Arc::clone(&app), channel.clone());
        tokio::spawn(async move {
            for number in 1..=LAST {
                publish(&app, &channel, number).await;
            }
        })
    };
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (app, token, channel) = (Arc::clone(&app), token.clone(), channel.clone());
            tokio::spawn(async move {
                let (mut epoch, mut offset, mut seen) = (json!(""), 0, Vec::new());
                while offset < LAST {
                    let mut client = Client::of(&app, &token).await;
                    let back = client.recover(&channel, &epoch, offset).await;
                    assert_eq!(back["recovered"], true);
                    if back["epoch"] != "" {
                        epoch = back["epoch"].clone();
                    }
                    for _ in 0..(LAST - offset).min(17) {
                        let push = client.push().await;
                        seen.push(push["data"]["number"].as_i64().unwrap());
                        offset = push["offset"].as_i64().unwrap();
                        if epoch == "" {
                            // From the beginning once more, now that there is one.
                            let head = Client::of(&app, &token).await.subscribe(&channel).await;
                            epoch = head["epoch"].clone();
                        }
                    }
                }
                seen
            })
        })
        .collect();
    publishing.await.unwrap();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (1..=LAST).collect::<Vec<_>>());
    }
}

#[db_test]
async fn a_numbering_that_begins_anew_is_noticed(app: App) {
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let mut client = Client::of(&app, &token).await;
    client.subscribe(&channel).await;
    publish(&app, &channel, 1).await;
    client.push().await;
    // As after a restore from a backup.
    for table in ["DELETE FROM messages", "DELETE FROM channels"] {
        app.db().execute(table, &[]).await.unwrap();
    }
    publish(&app, &channel, 2).await;
    let told = client.push().await;
    assert_eq!(
        told,
        json!({ "unsubscribed": { "channel": channel, "code": "history_lost" } })
    );
    let again: Value = client.subscribe(&channel).await;
    assert_eq!(again["offset"], 1);
    publish(&app, &channel, 3).await;
    assert_eq!(numbers(&client.pushes(1).await), [3]);
}

stoa_testkit::app!(
    /// realtime with as little room for each client as there may be.
    Narrow,
    builder(|config| config.queue_max_bytes = 131_072)
);

#[db_test]
async fn who_missed_more_than_may_wait_is_told_so_and_stays(app: Narrow) {
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    for number in 1..=10 {
        publish_long(&app, &channel, number, 30_000).await;
    }
    app.settle().await;
    let mut client = Client::of(&app, &token).await;
    let back = client.recover(&channel, &json!(""), 0).await;
    assert_eq!((&back["recovered"], &back["offset"]), (&json!(false), &json!(10)));
    let epoch = &back["epoch"];
    let mut other = Client::of(&app, &token).await;
    let back = other.recover(&channel, epoch, 7).await;
    assert_eq!((&back["recovered"], &back["offset"]), (&json!(true), &json!(7)));
    assert_eq!(numbers(&other.pushes(3).await), [8, 9, 10]);
    publish(&app, &channel, 11).await;
    assert_eq!(numbers(&client.pushes(1).await), [11]);
    assert_eq!(numbers(&other.pushes(1).await), [11]);
}

#[db_test]
async fn a_long_history_is_read_in_parts(app: Narrow) {
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    for number in 1..=8 {
        publish_long(&app, &channel, number, if number == 5 { 65_000 } else { 20_000 }).await;
    }
    app.settle().await;
    let mut client = Client::of(&app, &token).await;
    // All of them at once: each waits until the answers before it were read.
    for after in 0..8 {
        let history = json!({ "id": 100 + after, "history": { "channel": channel, "after": after } });
        client.send(&history.to_string()).await;
    }
    let mut parts = Vec::new();
    for after in 0..8 {
        let answer = client.text().await;
        assert_eq!(answer["id"], 100 + after);
        let part = answer["result"]["messages"].as_array().unwrap();
        assert_eq!(answer["result"]["offset"], 8);
        parts.push(numbers(part));
    }
    assert_eq!(parts[0], [1, 2, 3]);
    assert_eq!(parts[3], [4]);
    assert_eq!(parts[4], [5]);
    assert_eq!(parts[7], [8]);
}

#[db_test]
async fn much_that_was_missed_is_sent_in_parts_to_who_reads_them(app: Narrow) {
    const LAST: i64 = 60;
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let mut client = Client::of(&app, &token).await;
    client.subscribe(&channel).await;
    publish(&app, &channel, 1).await;
    client.push().await;
    // Published by another process, without a hint.
    let text = json!({ "number": 0, "text": "x".repeat(20_000) }).to_string();
    let sql = "INSERT INTO messages (channel, position, id, event, data, created_at, expires_at) VALUES ($1, $2, $3, 'x', $4, $5, $6)";
    let now = app.clock().now();
    for position in 2..=LAST {
        let id = app.new_user().uuid();
        app.db()
            .execute(
                sql,
                &[
                    &channel.as_str(),
                    &position,
                    &id,
                    &text,
                    &now,
                    &app.clock().after(Duration::from_secs(3600)),
                ],
            )
            .await
            .unwrap();
    }
    let sql = "UPDATE channels SET last_offset = $2 WHERE name = $1";
    app.db().execute(sql, &[&channel.as_str(), &LAST]).await.unwrap();
    publish(&app, &channel, LAST + 1).await;
    for offset in 2..=LAST + 1 {
        assert_eq!(client.push().await["offset"], offset);
    }
}

#[tokio::test]
async fn what_others_publish_is_found_by_a_process_whose_clock_is_ahead() {
    let app = builder(|_| {}).start(Engine::Postgres).await;
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let then: Id<()> = Id::new(app.clock());
    app.clock().advance(Duration::from_secs(90));
    let mut client = Client::of(&app, &token).await;
    client.subscribe(&channel).await;
    // By another process, whose clock is right.
    let db = app.db();
    let now = app.clock().now();
    let sql = "INSERT INTO messages (channel, position, id, event, data, created_at, expires_at) VALUES ($1, 1, $2, 'x', '1', $3, $4)";
    let expires = app.clock().after(Duration::from_secs(3600));
    db.execute(sql, &[&channel.as_str(), &then, &now, &expires])
        .await
        .unwrap();
    let sql = "INSERT INTO channels (name, epoch, last_offset, updated_at) VALUES ($1, 'e', 1, $2)";
    db.execute(sql, &[&channel.as_str(), &now]).await.unwrap();
    assert_eq!(client.push().await["offset"], 1);
    app.stop().await;
}
