//! What is published reaches everybody, in order, once.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::json;
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_kernel::OrganizationRole::Member;

use crate::{
    client::Client,
    helpers::{App, builder, numbers, publish},
};

#[db_test]
async fn everybody_is_sent_everything_in_one_order(app: App) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    let mut readers = Vec::new();
    for _ in 0..10 {
        let token = app.member_token(app.new_user(), organization, Member);
        let mut reader = Client::of(&app, &token).await;
        reader.subscribe(&channel).await;
        readers.push(reader);
    }
    // Services and clients, at once.
    let services = async {
        for number in 0..30 {
            publish(&app, &channel, number).await;
        }
    };
    let clients = (0..3).map(|_| async {
        let token = app.member_token(app.new_user(), organization, Member);
        let mut client = Client::of(&app, &token).await;
        for number in 0..10 {
            let message = json!({ "channel": channel, "event": "client.x", "data": { "number": number } });
            client.result(json!({ "publish": message })).await;
        }
    });
    tokio::join!(services, join_all(clients));
    app.settle().await;
    let mut all = Vec::new();
    for reader in &mut readers {
        let pushes = reader.pushes(60).await;
        let offsets: Vec<_> = pushes
            .iter()
            .map(|push| push["offset"].as_i64().unwrap())
            .collect();
        assert_eq!(offsets, (1..=60).collect::<Vec<_>>());
        let of_services: Vec<_> = pushes
            .iter()
            .filter(|push| push["event"] == "order.packed")
            .cloned()
            .collect();
        assert_eq!(numbers(&of_services), (0..30).collect::<Vec<_>>());
        assert!(reader.is_silent().await);
        all.push(pushes);
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
}

#[db_test]
async fn each_channel_goes_its_own_way(app: App) {
    let users = [app.new_user(), app.new_user()];
    let mut clients = Vec::new();
    for user in users {
        let mut client = Client::of(&app, &app.token(user, &[])).await;
        client.subscribe(&Channel::user(user)).await;
        clients.push(client);
    }
    for number in 0..5 {
        for (at, user) in users.into_iter().enumerate() {
            publish(
                &app,
                &Channel::user(user),
                number * 10 + i64::try_from(at).unwrap(),
            )
            .await;
        }
    }
    assert_eq!(numbers(&clients[0].pushes(5).await), [0, 10, 20, 30, 40]);
    assert_eq!(numbers(&clients[1].pushes(5).await), [1, 11, 21, 31, 41]);
}

stoa_testkit::app!(
    Quick,
    builder(|config| {
        config.commands_per_connection = "1000/s".parse().unwrap();
        config.publishes_per_user = "1000/s".parse().unwrap();
    })
);

#[db_test]
async fn a_client_need_not_wait_between_two_messages(app: Quick) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    let token = app.member_token(app.new_user(), organization, Member);
    let mut reader = Client::of(&app, &token).await;
    reader.subscribe(&channel).await;
    let mut client = Client::of(&app, &token).await;
    // More than the server takes at once, some of them long; one in the middle is refused.
    let long = "x".repeat(30_000);
    for number in 0..200_u64 {
        let event = if number == 100 { "order.packed" } else { "client.x" };
        let text = if number % 50 == 7 { &long } else { "short" };
        let message =
            json!({ "channel": channel, "event": event, "data": { "number": number, "text": text } });
        client
            .send(&json!({ "id": 1000 + number, "publish": message }).to_string())
            .await;
    }
    client
        .send(&json!({ "id": 7, "history": { "channel": channel, "after": 198 } }).to_string())
        .await;
    let mut offsets = Vec::new();
    let past = loop {
        let answer = client.text().await;
        match answer["id"].as_u64().unwrap() {
            7 => break answer,
            1100 => assert_eq!(answer["problem"]["code"], "invalid_input"),
            id => offsets.push((id, answer["result"]["offset"].as_u64().unwrap())),
        }
    };
    let numbers_sent = (0..200).filter(|number| *number != 100);
    let expected: Vec<_> = numbers_sent
        .clone()
        .map(|number| 1000 + number)
        .zip(1..)
        .collect();
    assert_eq!(offsets, expected, "in order, and before what was asked next");
    assert_eq!(past["result"]["messages"][0]["offset"], 199);
    let pushes = reader.pushes(199).await;
    let numbers_sent: Vec<_> = numbers_sent.map(|number| number as i64).collect();
    assert_eq!(numbers(&pushes), numbers_sent);
}

#[db_test]
async fn only_so_much_waits_for_a_channel_and_nothing_that_was_given_up(app: Quick) {
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    publish(&app, &channel, 0).await;
    app.settle().await;
    let app = Arc::new(app);
    let path = format!("/api/v1/realtime/channels/{channel}/messages");
    let post = |number: i64, bytes: usize| {
        let (app, path, token) = (Arc::clone(&app), path.clone(), token.clone());
        let data = json!({ "number": number, "text": "x".repeat(bytes) });
        tokio::spawn(async move {
            let body = json!({ "event": "client.x", "data": data });
            app.post(&path).bearer(&token).json(&body).send().await.status()
        })
    };
    // Somebody else has the channel's row.
    let mut tx = app.db().begin().await.unwrap();
    let sql = "UPDATE channels SET last_offset = last_offset WHERE name = $1";
    tx.execute(sql, &[&channel.as_str()]).await.unwrap();
    let first = post(1, 10);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let given_up = [post(-1, 10), post(-2, 10)];
    tokio::time::sleep(Duration::from_millis(200)).await;
    for one in given_up {
        one.abort();
    }
    let others: Vec<_> = (2..72).map(|number| post(number, 65_000)).collect();
    // Those for which there is no room do not wait.
    let is_refused = async || others.iter().filter(|one| one.is_finished()).count() >= 6;
    stoa_testkit::eventually("some are refused", is_refused).await;
    tx.rollback().await;
    assert_eq!(first.await.unwrap(), 201);
    let answers: Vec<_> = join_all(others).await.into_iter().map(Result::unwrap).collect();
    let of = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((of(201), of(503)), (64, 6));
    let sql = "SELECT data FROM messages WHERE channel = $1 AND event = 'client.x'";
    let published: Vec<String> = app.db().fetch_all(sql, &[&channel.as_str()]).await.unwrap();
    assert_eq!(published.len(), 65);
    assert!(published.iter().all(|data| !data.contains("\"number\":-")));
}
