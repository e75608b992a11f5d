//! Who comes back has missed nothing, or is told that they have.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stoa_db::{Engine, db_test};
use stoa_events::Channel;

use crate::{
    client::Client,
    helpers::{App, builder, numbers, publish},
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
