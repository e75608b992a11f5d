//! Nobody takes up more than their share.

use std::time::Duration;

use serde_json::json;
use stoa_db::Engine;
use stoa_events::Channel;
use stoa_kernel::Period;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::Client,
    helpers::{builder, publish},
};

#[tokio::test]
async fn connections_are_counted_by_user_and_address() {
    let app = builder(|config| {
        config.connections_per_user = 2;
        config.connections_per_address = 4;
    });
    let app = app.start(Engine::Sqlite).await;
    let user = app.new_user();
    let token = app.token(user, &[]);
    let one = Client::of(&app, &token).await;
    let _two = Client::of(&app, &token).await;
    let mut three = Client::open(&app).await;
    let refused = three.refusal(json!({ "connect": { "token": token } })).await;
    assert_eq!(refused, "too_many_connections");
    assert_eq!(three.closed().await.1, 4005);
    drop(one);
    stoa_testkit::eventually("there is room again", async || {
        let mut again = Client::open(&app).await;
        again
            .ask(json!({ "connect": { "token": token } }))
            .await
            .get("result")
            .is_some()
    })
    .await;
    sleep(Duration::from_millis(100)).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(Client::open(&app).await);
    }
    let Err(Error::Http(refused)) = Client::try_open(&app).await else {
        panic!("the address has as many as it may");
    };
    assert_eq!(refused.status(), 429);
    app.stop().await;
}

#[tokio::test]
async fn one_connection_follows_so_many_channels_and_says_so_much() {
    let app = builder(|config| {
        config.subscriptions_per_connection = 3;
        config.commands_per_connection = "20/m".parse().unwrap();
        config.publishes_per_user = "2/m".parse().unwrap();
    });
    let app = app.start(Engine::Sqlite).await;
    let user = app.new_user();
    let mut client = Client::of(&app, &app.token(user, &["orders.read"])).await;
    let order = || Channel::named("order", app.new_user().uuid()).unwrap();
    let first = order();
    client.subscribe(&first).await;
    let twice = client.refusal(json!({ "subscribe": { "channel": first } })).await;
    assert_eq!(twice, "already_subscribed");
    for _ in 0..2 {
        client.subscribe(&order()).await;
    }
    let refused = client
        .refusal(json!({ "subscribe": { "channel": order() } }))
        .await;
    assert_eq!(refused, "too_many_subscriptions");
    client
        .result(json!({ "unsubscribe": { "channel": first } }))
        .await;
    client.subscribe(&order()).await;
    let message = json!({ "publish": { "channel": Channel::user(user), "event": "client.x", "data": 1 } });
    for _ in 0..2 {
        client.result(message.clone()).await;
    }
    assert_eq!(client.refusal(message).await, "rate_limited");
    for _ in 0..10 {
        client.ask(json!({ "ping": {} })).await;
    }
    assert_eq!(client.refusal(json!({ "ping": {} })).await, "rate_limited");
    app.stop().await;
}

#[tokio::test]
async fn a_request_that_comes_too_soon_is_answered_how_long_to_wait() {
    let app = builder(|config| config.tickets_per_user = "1/h".parse().unwrap());
    let app = app.start(Engine::Sqlite).await;
    let token = app.token(app.new_user(), &[]);
    let ask = || app.post("/api/v1/realtime/tickets").bearer(&token).send();
    ask().await.expect(201);
    let refused = ask().await.expect(429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
    app.stop().await;
}

#[tokio::test]
async fn who_does_not_read_is_disconnected_and_finds_everything_later() {
    let app = builder(|config| {
        config.queue_max_bytes = 131_072;
        config.write_timeout = Period(Duration::from_secs(2));
    });
    let app = app.start(Engine::Sqlite).await;
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let mut slow = Client::of(&app, &token).await;
    slow.subscribe(&channel).await;
    let mut quick = Client::of(&app, &token).await;
    quick.subscribe(&channel).await;
    let data = "x".repeat(60_000);
    let path = format!("/api/v1/realtime/channels/{channel}/messages");
    // More than the kernel takes for a client that does not read.
    for number in 0..400 {
        let body = json!({ "event": "client.x", "data": { "number": number, "data": data } });
        let published = app.post(&path).bearer(&token).json(&body).send().await;
        if published.status() == 429 {
            sleep(Duration::from_millis(60)).await;
            continue;
        }
        quick.push().await;
    }
    let (last, code, reason) = slow.closed().await;
    // A client that was cut off in the midst of a message sees no more than the end of the connection.
    if code != 0 {
        assert_eq!((code, &*reason), (4001, "slow_consumer"));
        assert_eq!(last.unwrap()["disconnect"]["code"], "slow_consumer");
    }
    publish(&app, &channel, 1).await;
    assert_eq!(quick.push().await["event"], "order.packed");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_counts_as_well() {
    let app = builder(|config| config.commands_per_connection = "5/m".parse().unwrap());
    let app = app.start(Engine::Sqlite).await;
    let mut stranger = Client::open(&app).await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        stranger.send("{").await;
        let answer = stranger.text().await;
        codes.push(answer["problem"]["code"].as_str().unwrap().to_owned());
    }
    assert!(codes[..5].iter().all(|code| code == "malformed_request"));
    assert!(codes[5..].iter().all(|code| code == "rate_limited"));
    let refused = stranger.refusal(json!({ "ping": {} })).await;
    assert_eq!(refused, "rate_limited", "and its id comes back");
    app.stop().await;
}
