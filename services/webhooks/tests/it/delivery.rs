//! What is sent, how it is signed, and in which order.

use std::time::{Duration, Instant};

use serde_json::json;
use standardwebhooks::Webhook;
use stoa_db::db_test;
use stoa_testkit::eventually;

use crate::helpers::{App, Behaviour, Sink, endpoint, happen, items, key_of, organization};

#[db_test]
async fn an_event_arrives_signed_once_as_the_specification_has_it(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let more = json!({"events": ["member.*"], "headers": {"Authorization": "Bearer 123"}});
    let path = endpoint(&app, &token, ours, &sink, more).await;
    let member = happen(&app, ours).await;
    app.settle().await;
    let received = sink.received();
    assert_eq!(received.len(), 1);
    let (request, body) = (&received[0], received[0].json());
    assert_eq!(body["type"], "member.added");
    assert_eq!(body["data"]["user_id"], json!(member));
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(request.header("authorization"), "Bearer 123");
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("Stoa-Webhooks/"));
    let keys = key_of(&app, &token, &path).await;
    Webhook::new(&keys[0])
        .unwrap()
        .verify(&request.body, &request.headers)
        .unwrap();
    assert!(
        Webhook::new("whsec_AAAA")
            .unwrap()
            .verify(&request.body, &request.headers)
            .is_err()
    );

    let messages = items(&app, &token, &format!("{path}/messages")).await;
    assert_eq!(
        (messages[0]["state"].as_str(), messages[0]["attempts"].as_u64()),
        (Some("delivered"), Some(1))
    );
    assert_eq!(messages[0]["webhook_id"], request.header("webhook-id"));
    let attempts = items(&app, &token, &format!("{path}/attempts?succeeded=true")).await;
    assert_eq!((attempts.len(), attempts[0]["status"].as_u64()), (1, Some(204)));
    let one = format!("{path}/attempts/{}", attempts[0]["id"].as_str().unwrap());
    let one = app.get(&one).bearer(&token).send().await.expect(200).value();
    assert_eq!(one["request_body"], body);
    let message = format!("{path}/messages/{}", messages[0]["message_id"].as_str().unwrap());
    let message = app.get(&message).bearer(&token).send().await.expect(200).value();
    assert_eq!(message["body"], body);
}

#[db_test]
async fn an_ordered_endpoint_gets_one_after_the_other_through_failures(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let more = json!({"ordered": true, "events": ["member.*"]});
    let path = endpoint(&app, &token, ours, &sink, more).await;
    let attempts = async || items(&app, &token, &format!("{path}/attempts")).await.len();
    sink.answer(500);
    let mut members = Vec::new();
    for _ in 0..5 {
        members.push(json!(happen(&app, ours).await));
    }
    eventually("the first was tried", async || attempts().await == 1).await;
    app.clock().advance(Duration::from_secs(7));
    eventually("the first was tried again", async || attempts().await == 2).await;
    sink.answer(200);
    app.advance(Duration::from_secs(6 * 60)).await;
    let order: Vec<_> = sink
        .received()
        .iter()
        .map(|one| one.json()["data"]["user_id"].clone())
        .collect();
    let first = members[0].clone();
    let expected: Vec<_> = [first.clone(), first].into_iter().chain(members).collect();
    assert_eq!(order, expected);
}

#[db_test]
async fn a_rate_is_kept(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    endpoint(
        &app,
        &token,
        ours,
        &sink,
        json!({"rate": 1, "events": ["member.*"]}),
    )
    .await;
    for _ in 0..6 {
        happen(&app, ours).await;
    }
    eventually("one may go at once", async || sink.count() == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(sink.count(), 1, "the others wait for their turn");
    for _ in 0..12 {
        app.clock().advance(Duration::from_millis(600));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually("all have come", async || {
        app.clock().advance(Duration::from_millis(600));
        sink.count() == 6
    })
    .await;
}

#[db_test]
async fn a_slow_endpoint_delays_no_other(app: App) {
    let ((ours, token), slow, quick) = (organization(&app), Sink::start().await, Sink::start().await);
    slow.behave(Behaviour {
        delay: Duration::from_secs(60),
        ..Behaviour::default()
    });
    endpoint(&app, &token, ours, &quick, json!({"events": ["member.*"]})).await;
    happen(&app, ours).await;
    app.settle().await;
    endpoint(&app, &token, ours, &slow, json!({"events": ["member.*"]})).await;
    let begun = Instant::now();
    for _ in 0..20 {
        happen(&app, ours).await;
    }
    eventually("the quick one has all", async || quick.count() == 21).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
